#!/bin/sh
# Has the service manager see what is new, and a service that runs take the new program. Nothing is enabled or
# started that was not before: that is the administrator's word. Packages for Alpine and Arch Linux run this after an
# upgrade, too, which the others call an installation. That a service does not start again is in its journal, and makes
# no installation fail.
set -eu
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || :
	systemctl try-restart retort.service || :
elif [ -d /run/openrc ]; then
	rc-service --ifexists --ifstarted retort restart || :
fi
