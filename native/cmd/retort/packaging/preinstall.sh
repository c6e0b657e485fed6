#!/bin/sh
# Makes the user that the service runs as, and a group of the same name, with what the system has for that.
set -eu
named() { # FILE: whether retort is in it, or where else the system looks
	getent "$1" retort >/dev/null 2>&1 || grep -q '^retort:' "/etc/$1"
}
if named passwd; then
	exit 0
fi
if command -v useradd >/dev/null 2>&1; then
	group=--user-group
	if named group; then
		group=--gid=retort
	fi
	useradd --system "$group" --no-create-home --home-dir /var/lib/retort --shell /usr/sbin/nologin \
		--comment "Retort UDP reply server" retort
elif command -v adduser >/dev/null 2>&1; then # Alpine's, which makes no group by itself
	named group || addgroup -S retort
	adduser -S -D -H -h /var/lib/retort -s /sbin/nologin -G retort -g "Retort UDP reply server" retort
else
	echo "retort: this system has neither useradd nor adduser: make a user called retort, in a group of that name" >&2
fi
