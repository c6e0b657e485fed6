# Installs a package for Debian, upgrades, removes and purges it as dpkg does.
. /tmp/common.sh
export DEBIAN_FRONTEND=noninteractive
dpkg="dpkg --no-triggers"

step=installation
$dpkg -i package
called "$restarted"
installed
owned /etc/retort "root:root 755"
owned /var/lib/retort "root:root 755"

step="an upgrade that changes its configuration, which the administrator has changed"
changed
mkdir -p /var/cache/retort
dpkg-deb -R package newer
sed -i 's/^Version: .*/Version: 999.0.0/' newer/DEBIAN/control
echo "# the package's" >> newer/etc/retort/retort.toml
dpkg-deb -Zgzip -z1 -b newer newer.deb
$dpkg --force-confold -i newer.deb
called "$restarted"
kept /etc/retort/retort.toml

step="an upgrade that failed"
/var/lib/dpkg/info/retort.prerm failed-upgrade 1.0.0 999.0.0
called ""

step=removal
$dpkg -r retort
called "$disabled"
removed
kept /etc/retort/retort.toml

step=purging
$dpkg -P retort
called daemon-reload
[ ! -e /etc/retort ] || wrong "the configuration is there"
[ ! -e /var/cache/retort ] || wrong "compiled code is there"
[ -e /var/lib/retort/handlers/own.wasm ] || wrong "the administrator's handler is gone"
