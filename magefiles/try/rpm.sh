# Installs a package for Fedora and its like, puts it in its own place and removes it, as rpm does. What it depends on
# this system may call otherwise.
. /tmp/common.sh
rpm="rpm --dbpath /tmp/db --nodeps"

step=installation
rpm --checksig --nosignature package
$rpm -i package
called "$restarted"
installed
$rpm -V retort || wrong "it is not as the package has it"

step="an upgrade"
echo "# the administrator's" >> /etc/retort/retort.toml
echo handler > /var/lib/retort/handlers/own.wasm
$rpm -U --replacepkgs package
called "$restarted"
is "its last line" "$(tail -n 1 /etc/retort/retort.toml)" "# the administrator's"

step=removal
$rpm -e retort
called "$disabled"
[ ! -e /usr/bin/retort ] || wrong "the program is there"
is "the last line of what is kept" "$(tail -n 1 /etc/retort/retort.toml.rpmsave)" "# the administrator's"
[ -e /var/lib/retort/handlers/own.wasm ] || wrong "the administrator's handler is gone"
