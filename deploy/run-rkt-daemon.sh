#!/bin/sh
# Runs the docker image of the daemon under rkt. IMAGE names it where rkt can fetch it: docker://registry/name:tag
set -eu

: "${IMAGE:?set IMAGE to the docker image, e.g. docker://registry.example.com/infoblox-cni-daemon:1.0.0}"
# shellcheck source=deploy/daemon-environment.sh
. "$(dirname "$0")/daemon-environment.sh"

make_shared_directories
# The environment is handed on for WAPI_PASSWORD, which --set-env would show in the process list.
# shellcheck disable=SC2086 # one flag a line
exec rkt run --insecure-options=image --net=host --hostname="$(hostname)" --inherit-env \
  --volume run-cni,kind=host,source=/run/cni --mount volume=run-cni,target=/run/cni \
  --volume netns,kind=host,source=/run/netns,readOnly=true --mount volume=netns,target=/run/netns \
  --volume state,kind=host,source=/var/lib/infoblox-cni --mount volume=state,target=/var/lib/infoblox-cni \
  --volume etc,kind=host,source="$CONFIG_DIR",readOnly=true --mount volume=etc,target="$CONFIG_DIR" \
  "$IMAGE" -- $DAEMON_FLAGS "$@"
