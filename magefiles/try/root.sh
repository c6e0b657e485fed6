#!/bin/sh
# Tries a package out on a copy of this system that is thrown away with the mount namespace that this runs in:
# root.sh PACKAGE SCRIPT FOLDER. The script finds the package as /tmp/package, and a systemctl that only writes down
# how it was called. It ends with 77 where such a copy cannot be had.
set -eu
package=$1 script=$2 dir=$3
mount -t tmpfs none "$dir" || exit 77
mkdir "$dir/changes" "$dir/work" "$dir/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/changes,workdir=$dir/work" "$dir/root" || exit 77
for own in run tmp; do mount -t tmpfs none "$dir/root/$own"; done
for shared in dev proc; do mount --rbind "/$shared" "$dir/root/$shared"; done
mkdir -p "$dir/root/run/systemd/system"
cp "$package" "$dir/root/tmp/package"
cp "$(dirname "$0")/common.sh" "$script" "$dir/root/tmp"
rm -f "$dir/root/usr/bin/systemctl"
cat > "$dir/root/usr/bin/systemctl" <<'END'
#!/bin/sh
echo "$*" >> /tmp/calls
END
chmod 755 "$dir/root/usr/bin/systemctl"
exec chroot "$dir/root" sh "/tmp/$(basename "$script")"
