#!/bin/sh
# Packs a build for hosts without this repository (`make package`): a tarball with an installer for any Linux, and a
# Debian package of the same files. Equal builds give equal bytes: every date is the commit's, or SOURCE_DATE_EPOCH.
set -eu
umask 022
export LC_ALL=C

ARCH=${ARCH:?x64 or arm64}
DIST=${DIST:-dist}
OUT=${OUT:-dist/packages}
deploy=$(dirname "$0")
project=$deploy/..
version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' "$project/package.json")
# Without git, as in a source archive: the date of its files.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$project" log -1 --format=%ct 2>/dev/null || stat -c %Y "$project/package.json")}
export SOURCE_DATE_EPOCH

case $ARCH in
  x64) debian=amd64 ;;
  arm64) debian=arm64 ;;
  *) echo "package: ARCH=$ARCH: must be x64 or arm64" >&2; exit 1 ;;
esac

say() { echo "package: $*"; }

mkdir -p "$OUT"
# Built in a stage, moved to $OUT when complete.
stage=$(mktemp -d "$OUT/.package-XXXXXX")
trap 'rm -rf "$stage"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

finish() {
  mv -f "$stage/$1" "$OUT/$1"
  say "$OUT/$1 ($(du -h --apparent-size "$OUT/$1" | cut -f1))"
}

make_tarball() {
  name=infoblox-cni-$version-linux-$ARCH
  mkdir "$stage/$name"
  for file in infoblox-cni infoblox infoblox-cni-daemon THIRD-PARTY-LICENSES infoblox-cni.cdx.json share; do
    cp -R -P "$DIST/$file" "$stage/$name"
  done
  cp -R "$project/LICENSE" "$deploy/install.sh" "$deploy/host.sh" "$deploy/daemon-environment.sh" "$deploy"/run-*.sh \
    "$deploy/systemd" "$deploy/netconf" "$deploy/monitoring" "$deploy/kubernetes" "$project/docs" "$project/README.md" \
    "$project/SECURITY.md" "$project/CHANGELOG.md" "$stage/$name"
  tar --directory "$stage" --create --file "$stage/$name.tar" --sort=name --format=gnu --mode=u=rwX,go=rX \
    --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" "$name"
  gzip --no-name "$stage/$name.tar"
  finish "$name.tar.gz"
}

# control ROOT: writes dpkg's metadata for the files below ROOT.
control() {
  mkdir "$1/DEBIAN"
  # Count a file with two names once. Skip directories: their size depends on the file system.
  size=$(find "$1" -type f -printf '%i %s\n' | sort -u | awk '{ bytes += $2 } END { print int((bytes + 1023) / 1024) }')
  cat >"$1/DEBIAN/control" <<END
Package: infoblox-cni
Version: $(echo "$version" | tr - '~')
Architecture: $debian
Maintainer: The infoblox-cni project
Section: net
Priority: optional
Installed-Size: $size
Depends: libc6 (>= 2.28), libstdc++6, libgcc-s1
Recommends: containernetworking-plugins
Description: CNI IPAM driver for Infoblox
 Gives every container an address from an Infoblox grid, where it is a visible
 reservation, and returns it at the container's end. It is a CNI plugin for
 container runtimes, and a daemon that talks to the grid.
END
  (
    cd "$1"
    find etc -type f | sort | sed 's|^|/|' >DEBIAN/conffiles
    find usr -type f | sort | xargs md5sum >DEBIAN/md5sums
  )
  for script in preinst postinst prerm postrm; do
    cat "$deploy/debian/settings" "$deploy/host.sh" "$deploy/debian/$script" >"$1/DEBIAN/$script"
    chmod 0755 "$1/DEBIAN/$script"
  done
}

make_debian_package() {
  file=infoblox-cni_$(echo "$version" | tr - '~')_$debian.deb
  root=$stage/root
  env -i PATH="$PATH" DESTDIR="$root" DIST="$DIST" PREFIX=/usr CNI_BIN_DIR=/usr/lib/cni sh "$deploy/install.sh" install >/dev/null
  # postinst adds it where the host's systemd needs it.
  rm -rf "$root/usr/lib/systemd/system/infoblox-cni-daemon.service.d"
  # Debian's zsh looks in vendor-completions.
  mv "$root/usr/share/zsh/site-functions" "$root/usr/share/zsh/vendor-completions"
  install -m 0644 "$project/LICENSE" "$root/usr/share/doc/infoblox-cni/copyright"
  control "$root"
  find "$root" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
  # xz, which every dpkg reads. Higher levels take four times as long to save a tenth of the size.
  dpkg-deb --root-owner-group -Zxz -z2 --build "$root" "$stage/$file" >/dev/null
  finish "$file"
}

say "packing version $version for $ARCH, which takes a minute or two"
make_tarball
if command -v dpkg-deb >/dev/null; then
  make_debian_package
else
  say 'no Debian package: this machine has no dpkg-deb (Debian package dpkg)'
fi
