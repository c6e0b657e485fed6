#!/bin/sh
# Installs a package for Debian, upgrades, removes and purges it as dpkg does, on a copy of this system that is thrown
# away with the namespace that this runs in, and says what is not as it should be: try_deb.sh PACKAGE FOLDER
# It ends with 77 where such a copy cannot be had.
set -eu
package=$1 dir=$2
mount -t tmpfs none "$dir" || exit 77
mkdir "$dir/changes" "$dir/work" "$dir/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/changes,workdir=$dir/work" "$dir/root" || exit 77
for own in run tmp; do mount -t tmpfs none "$dir/root/$own"; done
mount --rbind /dev "$dir/root/dev"
mkdir -p "$dir/root/run/systemd/system"
cp "$package" "$dir/root/tmp/retort.deb"
cat > "$dir/root/usr/local/bin/systemctl" <<'END'
#!/bin/sh
echo "$*" >> /tmp/calls
END
chmod 755 "$dir/root/usr/local/bin/systemctl"

cat > "$dir/root/tmp/try.sh" <<'END'
set -eu
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive
wrong() { echo "after $step: $*"; exit 1; }
is() { [ "$2" = "$3" ] || wrong "$1 is '$2', want '$3'"; } # WHAT GOT WANT
called() { is "what systemctl was told" "$(cat /tmp/calls 2>/dev/null || :)" "$1"; rm -f /tmp/calls; }
owned() { is "$1" "$(stat -c '%U:%G %a' "$1")" "$2"; }
restarted='daemon-reload
try-restart retort.service'

! dpkg -s retort >/dev/null 2>&1 && ! getent passwd retort >/dev/null || { echo "retort is installed on this machine"; exit 77; }

step=installation
dpkg --no-triggers -i /tmp/retort.deb
called "$restarted"
is "home and shell" "$(getent passwd retort | cut -d: -f6-)" /var/lib/retort:/usr/sbin/nologin
is group "$(id -gn retort)" retort
[ "$(id -u retort)" -lt 1000 ] || wrong "the user is an ordinary one"
owned /etc/retort "root:root 755"
owned /etc/retort/retort.toml "root:root 644"
owned /var/lib/retort "root:root 755"
owned /var/lib/retort/handlers "root:root 755"
owned /usr/bin/retort "root:root 755"
retort version --json
su -s /bin/sh -c 'retort config check /etc/retort/retort.toml' retort

step="an upgrade that changes its configuration, which the administrator has changed"
echo "# the administrator's" >> /etc/retort/retort.toml
echo handler > /var/lib/retort/handlers/own.wasm
mkdir -p /var/cache/retort
dpkg-deb -R /tmp/retort.deb /tmp/newer
sed -i 's/^Version: .*/Version: 999.0.0/' /tmp/newer/DEBIAN/control
echo "# the package's" >> /tmp/newer/etc/retort/retort.toml
dpkg-deb -Zgzip -z1 -b /tmp/newer /tmp/newer.deb >/dev/null
dpkg --no-triggers --force-confold -i /tmp/newer.deb
called "$restarted"
is "its last line" "$(tail -n 1 /etc/retort/retort.toml)" "# the administrator's"

step="an upgrade that failed"
/var/lib/dpkg/info/retort.prerm failed-upgrade 1.0.0 999.0.0
called ""

step=removal
dpkg --no-triggers -r retort
called 'disable --now retort.service retort.socket
daemon-reload'
[ ! -e /usr/bin/retort ] || wrong "the program is there"
is "its last line" "$(tail -n 1 /etc/retort/retort.toml)" "# the administrator's"

step=purging
dpkg --no-triggers -P retort
called daemon-reload
[ ! -e /etc/retort ] || wrong "the configuration is there"
[ ! -e /var/cache/retort ] || wrong "compiled code is there"
[ -e /var/lib/retort/handlers/own.wasm ] || wrong "the administrator's handler is gone"
END
exec chroot "$dir/root" sh /tmp/try.sh
