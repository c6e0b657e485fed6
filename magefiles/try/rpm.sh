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
changed
$rpm -U --replacepkgs package
called "$restarted"
kept /etc/retort/retort.toml

step=removal
$rpm -e retort
called "$disabled"
removed
kept /etc/retort/retort.toml.rpmsave
