#!/bin/sh
# Has systemd see the units, and a service that runs take the new program. Nothing is enabled or started that was
# not before: that is the administrator's word.
set -eu
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl try-restart retort.service
fi
