#!/bin/sh
# Makes the user that the service runs as, with what the system has for that.
set -eu
if getent passwd retort >/dev/null 2>&1 || grep -q '^retort:' /etc/passwd; then
	exit 0
fi
if command -v useradd >/dev/null 2>&1; then
	useradd --system --user-group --no-create-home --home-dir /var/lib/retort --shell /usr/sbin/nologin \
		--comment "Retort UDP reply server" retort
elif command -v adduser >/dev/null 2>&1; then # Alpine's
	adduser -S -D -H -h /var/lib/retort -s /sbin/nologin -g "Retort UDP reply server" retort
else
	echo "retort: this system has neither useradd nor adduser: make a user called retort" >&2
fi
