#!/bin/sh
# Runs an ACI image of the daemon under rkt. Made from the docker image:
#   docker save infoblox-cni-daemon -o infoblox-cni-daemon.docker && docker2aci infoblox-cni-daemon.docker
# rkt verifies its signature, the file of the same name with .asc behind it (gpg --detach-sign --armor), by the keys of `rkt trust`.
set -eu

ACI=${ACI:-./infoblox-cni-daemon-latest.aci}

if [ ! -r "$ACI" ]; then
  echo "$0: no ACI image at $ACI; set ACI" >&2
  exit 1
fi
IMAGE=$ACI exec "$(dirname "$0")/run-rkt-daemon.sh" "$@"
