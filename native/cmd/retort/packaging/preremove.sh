#!/bin/sh
# Stops the service when the package goes, and not when another version takes its place. Whatever comes of that, the
# package can go.
set -eu
case "${1:-}" in
upgrade | failed-upgrade) exit 0 ;; # dpkg: another version takes its place
*[!0-9]* | '' | 0) ;; # dpkg: remove or deconfigure; pacman and apk: the version that goes; rpm: none stays
*) exit 0 ;; # rpm: as many versions stay
esac
if [ -d /run/systemd/system ]; then
	systemctl disable --now retort.service retort.socket || :
elif [ -d /run/openrc ]; then
	rc-service --ifexists --ifstarted retort stop || :
	rc-update --quiet --all delete retort >/dev/null 2>&1 || : # which says where it was not
fi
