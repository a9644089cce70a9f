#!/bin/sh
# Runs the daemon as a docker container. The image: docker build -t infoblox-cni-daemon -f deploy/Dockerfile dist
set -eu

IMAGE=${IMAGE:-infoblox-cni-daemon}
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
# The host's network, name and processes: the daemon looks at the network namespaces of the host's containers.
# shellcheck disable=SC2086 # one word per flag
exec docker run --detach --name infoblox-cni-daemon --restart always --stop-timeout 40 \
  --network host --uts host --pid host \
  --read-only --cap-drop ALL --cap-add SYS_PTRACE --security-opt no-new-privileges \
  --volume /run/cni:/run/cni \
  --volume /run/netns:/run/netns:ro,rslave \
  --volume /var/lib/infoblox-cni:/var/lib/infoblox-cni \
  --volume /etc/infoblox-cni:/etc/infoblox-cni:ro \
  --env WAPI_PASSWORD \
  "$IMAGE" $DAEMON_FLAGS "$@"
