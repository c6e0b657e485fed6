# What the scripts that try packages out have in common.
set -eu
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd /tmp

step=beginning
wrong() { echo "after $step: $*"; exit 1; }
is() { [ "$2" = "$3" ] || wrong "$1 is '$2', want '$3'"; } # WHAT GOT WANT
called() { is "what systemctl was told" "$(cat calls 2>/dev/null || :)" "$1"; rm -f calls; }
owned() { is "$1" "$(stat -c '%U:%G %a' "$1")" "$2"; }
restarted='daemon-reload
try-restart retort.service'
disabled='disable --now retort.service retort.socket
daemon-reload'

# Whatever the package, this is there once it is installed.
installed() {
	is "home and shell" "$(getent passwd retort | cut -d: -f6-)" /var/lib/retort:/usr/sbin/nologin
	is group "$(id -gn retort)" retort
	[ "$(id -u retort)" -lt 1000 ] || wrong "the user is an ordinary one"
	owned /etc/retort/retort.toml "root:root 644"
	owned /var/lib/retort/handlers "root:root 755"
	owned /usr/bin/retort "root:root 755"
	owned /usr/lib/systemd/system/retort.service "root:root 644"
	retort version --json
	su -s /bin/sh -c 'retort config check /etc/retort/retort.toml' retort
}

# The administrator changes the configuration, and adds a handler.
changed() {
	echo "# the administrator's" >> /etc/retort/retort.toml
	echo handler > /var/lib/retort/handlers/own.wasm
}

# What he has changed is in FILE after an upgrade or a removal.
kept() { is "the last line of $1" "$(tail -n 1 "$1")" "# the administrator's"; }

# Once it is removed, the program is gone and his handler is not.
removed() {
	[ ! -e /usr/bin/retort ] || wrong "the program is there"
	[ -e /var/lib/retort/handlers/own.wasm ] || wrong "the administrator's handler is gone"
}

if getent passwd retort || [ -e /etc/retort ]; then
	echo "retort is installed on this machine"
	exit 77
fi
