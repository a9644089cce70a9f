#!/bin/sh
# Runs the docker image of the daemon under rkt. IMAGE names it where rkt can fetch it: docker://registry/name:tag
set -eu

: "${IMAGE:?set IMAGE to the docker image, e.g. docker://registry.example.com/infoblox-cni-daemon:1.0.0}"
# Flags of the daemon; /etc/infoblox-cni/daemon.env, where it exists, has the last word.
DAEMON_FLAGS="--grid-host=192.168.124.200 --wapi-username=infoblox"

if [ "$(id -u)" -ne 0 ]; then
  echo "$0: must be run as root" >&2
  exit 1
fi
mkdir -p /run/cni /run/netns /etc/infoblox-cni
install -d -m 0700 /var/lib/infoblox-cni
# shellcheck source=/dev/null
if [ -r /etc/infoblox-cni/daemon.env ]; then . /etc/infoblox-cni/daemon.env; fi
if [ -s /etc/infoblox-cni/wapi-password ]; then
  DAEMON_FLAGS="$DAEMON_FLAGS --wapi-password-file=/etc/infoblox-cni/wapi-password"
fi
# shellcheck disable=SC2086 # one word per flag
exec rkt run --insecure-options=image --net=host --hostname="$(hostname)" \
  --volume run-cni,kind=host,source=/run/cni --mount volume=run-cni,target=/run/cni \
  --volume netns,kind=host,source=/run/netns,readOnly=true --mount volume=netns,target=/run/netns \
  --volume state,kind=host,source=/var/lib/infoblox-cni --mount volume=state,target=/var/lib/infoblox-cni \
  --volume etc,kind=host,source=/etc/infoblox-cni,readOnly=true --mount volume=etc,target=/etc/infoblox-cni \
  "$IMAGE" -- $DAEMON_FLAGS "$@"
