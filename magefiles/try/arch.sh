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
changed
$pacman -U package.pkg.tar.zst
called "$restarted"
kept /etc/retort/retort.toml

step=removal
$pacman -R retort
called "$disabled"
removed
kept /etc/retort/retort.toml.pacsave
