#!/bin/sh
# Runs the daemon's ACI image, which `make aci` writes, under rkt. The image is beside this script, in dist, or where
# ACI says. When rkt fetches it, it verifies the signature FILE.asc with the keys of `rkt trust`.
set -eu

# shellcheck source=deploy/daemon-environment.sh
. "$(dirname "$0")/daemon-environment.sh"

command -v rkt >/dev/null || fail 'no rkt: its last release is at github.com/rkt/rkt/releases'
ACI=${ACI:-$(beside infoblox-cni-daemon.aci)}
[ -n "$ACI" ] || fail 'no ACI image: run make aci, or set ACI to an image'
[ -r "$ACI" ] || fail "no ACI image at $ACI"

# rkt's image ID is the first half of the hash of its tar file.
IMAGE=sha512-$(gzip -dc "$ACI" | sha512sum | cut -c1-64)
if ! rkt image cat-manifest "$IMAGE" >/dev/null 2>&1; then
  [ -r "$ACI.asc" ] || fail "$ACI has no signature: run gpg --armor --detach-sign $ACI, or see docs/install.md for the way without"
  say "fetching $ACI"
  rkt fetch "$ACI" >&2
fi
export IMAGE
exec "$(dirname "$0")/run-rkt-daemon.sh" "$@"
