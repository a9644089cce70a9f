#!/bin/sh
# Runs the ACI image of the daemon that `make aci` wrote under rkt: beside this script, in dist, or where ACI says. rkt verifies its
# signature, the file of the same name with .asc behind it, by the keys of `rkt trust`, when it fetches it into its store.
set -eu

# shellcheck source=deploy/daemon-environment.sh
. "$(dirname "$0")/daemon-environment.sh"

command -v rkt >/dev/null || fail 'no rkt: its last release is at github.com/rkt/rkt/releases'
ACI=${ACI:-$(beside infoblox-cni-daemon.aci)}
[ -n "$ACI" ] || fail 'no ACI image: make aci writes one, which ACI names'
[ -r "$ACI" ] || fail "no ACI image at $ACI"

# rkt calls an image by the hash of its tar file, cut in half.
IMAGE=sha512-$(gzip -dc "$ACI" | sha512sum | cut -c1-64)
if ! rkt image cat-manifest "$IMAGE" >/dev/null 2>&1; then
  [ -r "$ACI.asc" ] || fail "$ACI has no signature: gpg --armor --detach-sign $ACI makes one; docs/install.md has the way without"
  say "fetching $ACI"
  rkt fetch "$ACI" >&2
fi
export IMAGE
exec "$(dirname "$0")/run-rkt-daemon.sh" "$@"
