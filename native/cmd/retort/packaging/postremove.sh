#!/bin/sh
# Has systemd forget the units once the package has gone. Handlers, and the user that they may belong to, stay: they
# are not the package's.
set -eu
case "${1:-}" in
purge) rm -rf /var/cache/retort ;; # dpkg: the configuration goes, too
upgrade | failed-upgrade | abort-install | abort-upgrade) exit 0 ;; # dpkg: a version stays
*[!0-9]* | '' | 0) ;; # as in preremove.sh
*) exit 0 ;; # rpm: as many versions stay
esac
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || :
fi
