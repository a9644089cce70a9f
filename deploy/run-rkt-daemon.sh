#!/bin/sh
# Runs an image of the daemon under rkt. IMAGE names it: a signed one where rkt can fetch it, or the ID of one in rkt's store.
# Docker images carry no signature, so trusting one is up to you: rkt fetch --insecure-options=image docker://registry/name:tag
set -eu

: "${IMAGE:?set IMAGE to the image, e.g. the sha512-... that rkt fetch printed}"
# shellcheck source=deploy/daemon-environment.sh
. "$(dirname "$0")/daemon-environment.sh"

make_shared_directories
# The environment is handed on for WAPI_PASSWORD and OpenTelemetry's variables, which --set-env would show in the process list.
# shellcheck disable=SC2086 # one flag a line
exec rkt run --net=host --hostname="$(hostname)" --inherit-env \
  --volume run-cni,kind=host,source=/run/cni --mount volume=run-cni,target=/run/cni \
  --volume netns,kind=host,source=/run/netns,readOnly=true --mount volume=netns,target=/run/netns \
  --volume state,kind=host,source=/var/lib/infoblox-cni --mount volume=state,target=/var/lib/infoblox-cni \
  --volume etc,kind=host,source="$CONFIG_DIR",readOnly=true --mount volume=etc,target="$CONFIG_DIR" \
  "$IMAGE" -- $DAEMON_FLAGS "$@"
