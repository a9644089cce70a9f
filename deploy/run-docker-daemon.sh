#!/bin/sh
# Runs the daemon as a docker container. The image: docker build -t infoblox-cni-daemon -f deploy/Dockerfile dist
set -eu

IMAGE=${IMAGE:-infoblox-cni-daemon}
# shellcheck source=deploy/daemon-environment.sh
. "$(dirname "$0")/daemon-environment.sh"

make_shared_directories
# The host's network, name and processes: the daemon looks at the network namespaces of the host's containers.
# Variables are named alone, so that their values stay out of `ps`.
# shellcheck disable=SC2086,SC2046 # one flag a line
exec docker run --detach --name infoblox-cni-daemon --restart always --stop-timeout 70 \
  --network host --uts host --pid host \
  --read-only --cap-drop ALL --cap-add SYS_PTRACE --security-opt no-new-privileges --ulimit core=0 \
  --volume /run/cni:/run/cni \
  --volume /run/netns:/run/netns:ro,rslave \
  --volume /var/lib/infoblox-cni:/var/lib/infoblox-cni \
  --volume "$CONFIG_DIR:$CONFIG_DIR:ro" \
  --env WAPI_PASSWORD $(printf '%s\n' "$OTEL_VARIABLES" | sed -n 's/^./--env=&/p') \
  "$IMAGE" $DAEMON_FLAGS "$@"
