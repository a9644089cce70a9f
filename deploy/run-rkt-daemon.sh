#!/bin/sh
# Runs an image of the daemon under rkt, and replaces a pod that it started before. IMAGE is a signed image that rkt can
# fetch, or the ID of one in rkt's store. Without IMAGE it runs run-aci-daemon.sh.
set -eu

# shellcheck source=deploy/daemon-environment.sh
. "$(dirname "$0")/daemon-environment.sh"
# The file with the pod's UUID.
UUID_FILE=${UUID_FILE:-/run/infoblox-cni-daemon.uuid}

command -v rkt >/dev/null || fail 'no rkt: its last release is at github.com/rkt/rkt/releases'
if [ -z "${IMAGE:-}" ]; then exec "$(dirname "$0")/run-aci-daemon.sh" "$@"; fi

# Replaces this shell (exec). The pod inherits the environment, for WAPI_PASSWORD and OpenTelemetry's variables:
# --set-env would show them in the process list.
run() {
  exec rkt run --net=host --hostname="$(hostname)" --inherit-env \
    --volume run-cni,kind=host,source="$SOCKET_DIR" --mount volume=run-cni,target="$SOCKET_DIR" \
    --volume netns,kind=host,source=/run/netns,readOnly=true --mount volume=netns,target=/run/netns \
    --volume state,kind=host,source="$STATE_DIR" --mount volume=state,target="$STATE_DIR" \
    --volume etc,kind=host,source="$CONFIG_DIR",readOnly=true --mount volume=etc,target="$CONFIG_DIR" \
    "$@"
}

former=$(cat "$UUID_FILE" 2>/dev/null) || former=
# `rkt gc` removes pods that have ended.
if [ -z "$former" ] || ! rkt status "$former" 2>/dev/null | grep -qx 'state=running'; then
  former=
  refuse_another_daemon
fi
make_shared_directories
# shellcheck disable=SC2086 # one flag a line
(run "$IMAGE" -- check-config $DAEMON_FLAGS "$@") >&2 || fail 'nothing was changed: the daemon would not start'
if [ -n "$former" ]; then
  say "replacing the pod $former"
  rkt stop "$former" >&2
  rkt status --wait=true "$former" >/dev/null
  rkt rm "$former" >&2
fi
rm -f "$UUID_FILE"

ask() { rkt enter "$(cat "$UUID_FILE")" /usr/local/bin/infoblox-cni-daemon "$@"; }
wait_for_answer_aside
# shellcheck disable=SC2086
run --uuid-file-save="$UUID_FILE" "$IMAGE" -- $DAEMON_FLAGS "$@"
