# Installs a package for Arch Linux, puts it in its own place and removes it, as pacman does.
. /tmp/common.sh
ln -sf bash /bin/sh # as it is there, and as the scripts in packages for it are written
mkdir db
mv package package.pkg.tar.zst
cat > pacman.conf <<'END'
[options]
Architecture = auto
DBPath = /tmp/db
LogFile = /tmp/pacman.log
END
pacman="pacman --config pacman.conf --noconfirm"

step=installation
$pacman -U package.pkg.tar.zst
called "$restarted"
installed
$pacman -Qkk retort || wrong "it is not as the package has it"

step="an upgrade"
echo "# the administrator's" >> /etc/retort/retort.toml
echo handler > /var/lib/retort/handlers/own.wasm
$pacman -U package.pkg.tar.zst
called "$restarted"
is "its last line" "$(tail -n 1 /etc/retort/retort.toml)" "# the administrator's"

step=removal
$pacman -R retort
called "$disabled"
[ ! -e /usr/bin/retort ] || wrong "the program is there"
is "the last line of what is kept" "$(tail -n 1 /etc/retort/retort.toml.pacsave)" "# the administrator's"
[ -e /var/lib/retort/handlers/own.wasm ] || wrong "the administrator's handler is gone"
