#!/bin/sh
# Stops the service when the package goes, and not when another version takes its place.
set -eu
case "${1:-}" in
upgrade | 1 | [2-9]*) exit 0 ;; # dpkg's word for it, and rpm's: how many versions stay
esac
if [ -d /run/systemd/system ]; then
	systemctl disable --now retort.service retort.socket
fi
