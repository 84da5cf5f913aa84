#!/bin/sh
# Makes a Debian package of a muster that is built already. Needs dpkg-deb, strip and a POSIX shell, no debhelper.
#
#   packaging/deb/build.sh BINARY DIRECTORY
#
# BINARY      the muster to pack, as target/release/muster; manual pages and completions are made by it
# DIRECTORY   where the package goes; its path is printed
#
# SOURCE_DATE_EPOCH      the time of every file, in seconds; else that of the last commit
# MUSTER_DEB_COMPRESSION as in dpkg-deb -Z: xz (the default), gzip, none
#
# Equal inputs give equal packages, byte for byte: fixed times, root as owner, names in order.
set -eu
export LC_ALL=C
umask 022

fail() { echo "error: $1" >&2; exit 1; }

[ $# -eq 2 ] || fail "usage: build.sh BINARY DIRECTORY"
binary=$1
out=$2
[ -x "$binary" ] || fail "$binary is no program"
command -v dpkg-deb >/dev/null || fail "dpkg-deb is missing (package dpkg)"
command -v strip >/dev/null || fail "strip is missing (package binutils)"
root=$(cd "$(dirname "$0")/../.." && pwd)
packaging=$root/packaging
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -c safe.directory='*' -C "$root" log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH

version=$("$binary" --version | sed 's/^muster //')
architecture=$(dpkg --print-architecture)
# The newest symbols of the C library that the binary asks for.
libc=$(grep -ao 'GLIBC_2\.[0-9]*' "$binary" | sort -uV | tail -n 1 | sed 's/^GLIBC_//')

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT INT TERM
chmod 0755 "$tree"
doc=$tree/usr/share/doc/muster

put() { install -D -m "$1" "$2" "$tree/$3"; }
put 0755 "$binary" usr/bin/muster
# Symbols are nine tenths of the file and of no use to whoever runs it.
strip --strip-unneeded --remove-section=.comment --remove-section=.note "$tree/usr/bin/muster"
put 0644 "$packaging/systemd/muster.service" usr/lib/systemd/system/muster.service
put 0644 "$packaging/systemd/user/muster.service" usr/lib/systemd/user/muster.service
put 0644 "$packaging/systemd/sysusers.conf" usr/lib/sysusers.d/muster.conf
put 0644 "$packaging/deb/copyright" usr/share/doc/muster/copyright
for page in commands operating glossary protocol storage threat-model; do
    put 0644 "$root/docs/$page.md" "usr/share/doc/muster/$page.md"
done
put 0644 "$root/CHANGELOG.md" usr/share/doc/muster/changelog
gzip -9n "$doc/changelog"

"$binary" man "$tree/usr/share/man/man1"
find "$tree/usr/share/man" -name '*.1' -exec gzip -9n {} +
mkdir -p "$tree/usr/share/bash-completion/completions" "$tree/usr/share/zsh/vendor-completions" \
    "$tree/usr/share/fish/vendor_completions.d"
"$binary" completions bash >"$tree/usr/share/bash-completion/completions/muster"
"$binary" completions zsh >"$tree/usr/share/zsh/vendor-completions/_muster"
"$binary" completions fish >"$tree/usr/share/fish/vendor_completions.d/muster.fish"

size=$(du -sk --apparent-size "$tree/usr" | cut -f 1)
mkdir "$tree/DEBIAN"
cat >"$tree/DEBIAN/control" <<CONTROL
Package: muster
Version: $version
Architecture: $architecture
Maintainer: The muster contributors <contributors@muster.invalid>
Installed-Size: $size
Depends: libc6 (>= $libc), libgcc-s1
Recommends: systemd
Section: admin
Priority: optional
Description: incident log that still works when everything else is down
 Each responder's machine writes alone and signs what it writes; what was
 written apart comes together afterwards, and nobody's word is lost. No
 server, account, name service or internet is needed.
 .
 The node can run for one person (systemctl --user) or for the machine
 (systemctl), as a meeting point for a team.
CONTROL
for script in postinst prerm postrm; do
    install -m 0755 "$packaging/deb/$script" "$tree/DEBIAN/$script"
done
(cd "$tree" && find usr -type f | sort | xargs md5sum) >"$tree/DEBIAN/md5sums"
find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

mkdir -p "$out"
package=$out/muster_${version}_$architecture.deb
dpkg-deb --root-owner-group "-Z${MUSTER_DEB_COMPRESSION:-xz}" --build "$tree" "$package" >&2
echo "$package"
