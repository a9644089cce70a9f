#!/bin/sh
# Runs the daemon as a docker container (podman with DOCKER=podman), and replaces one that it started before. The image
# is the archive that `make image` writes, beside this script, in dist, or where ARCHIVE says; or the image that IMAGE
# names.
set -eu

DOCKER=${DOCKER:-docker}
# shellcheck source=deploy/daemon-environment.sh
. "$(dirname "$0")/daemon-environment.sh"
name=infoblox-cni-daemon

command -v "$DOCKER" >/dev/null || fail "no $DOCKER (Debian: apt-get install docker.io docker-cli); with podman, set DOCKER=podman"
"$DOCKER" info >/dev/null 2>&1 || fail "$DOCKER does not work here; run $DOCKER info"

# Loads the archive's image unless it is already loaded.
load_image() {
  [ -r "$1" ] || fail "no image at $1"
  manifest=$(tar -xOf "$1" manifest.json 2>/dev/null) || fail "$1 is not an image of make image"
  IMAGE=$(echo "$manifest" | sed 's/.*"RepoTags":\["\([^"]*\)".*/\1/')
  id=$(echo "$manifest" | sed 's|.*"Config":"blobs/sha256/\([^"]*\)".*|\1|')
  there=$("$DOCKER" image inspect --format '{{.Id}}' "$IMAGE" 2>/dev/null) || there=
  if [ "${there#sha256:}" = "$id" ]; then return; fi
  say "loading $IMAGE from $1"
  "$DOCKER" load --quiet --input "$1" >/dev/null
}

# Shares the host's network, name and processes: the daemon inspects the network namespaces of the host's containers.
# Variables are passed by name, which keeps their values out of `ps`.
run() {
  # shellcheck disable=SC2046 # one flag a line
  "$DOCKER" run --network host --uts host --pid host \
    --read-only --cap-drop ALL --cap-add SYS_PTRACE --security-opt no-new-privileges --ulimit core=0 \
    --volume "$SOCKET_DIR:$SOCKET_DIR" \
    --volume /run/netns:/run/netns:ro,rslave \
    --volume "$STATE_DIR:$STATE_DIR" \
    --volume "$CONFIG_DIR:$CONFIG_DIR:ro" \
    --env WAPI_PASSWORD $(printf '%s\n' "$OTEL_VARIABLES" | sed -n 's/^./--env=&/p') \
    "$@"
}

former=$("$DOCKER" container inspect --format '{{.State.Running}} {{.Path}}' "$name" 2>/dev/null) || former=
case $former in
  '' | *"/$name") ;;
  *) fail "the container $name is not infoblox-cni-daemon, it runs ${former#* }; rename it first: $DOCKER rename $name OTHER" ;;
esac
# Another daemon may have replaced a former container that has stopped.
[ "${former% *}" = true ] || refuse_another_daemon
if [ -z "${IMAGE:-}" ]; then
  archive=${ARCHIVE:-$(beside infoblox-cni-daemon.oci.tar)}
  if [ -n "$archive" ]; then
    load_image "$archive"
  else
    IMAGE=$("$DOCKER" image ls --format '{{.Repository}}:{{.Tag}}' localhost/infoblox-cni-daemon)
    [ -n "$IMAGE" ] || fail "no image: run make image, set ARCHIVE to its archive, or set IMAGE to an image"
    [ "$(echo "$IMAGE" | wc -l)" -eq 1 ] || fail "several images; set IMAGE to one of them: $(echo "$IMAGE" | tr '\n' ' ')"
  fi
fi
make_shared_directories
# shellcheck disable=SC2086 # one flag a line
run --rm "$IMAGE" check-config $DAEMON_FLAGS "$@" >/dev/null || fail 'nothing was changed: the daemon would not start'
if [ -n "$former" ]; then
  say "replacing the container $name"
  "$DOCKER" stop "$name" >/dev/null
  "$DOCKER" rm --force "$name" >/dev/null
fi
# shellcheck disable=SC2086
run --detach --name "$name" --restart always --stop-timeout 70 "$IMAGE" $DAEMON_FLAGS "$@"

ask() { "$DOCKER" exec "$name" /usr/local/bin/infoblox-cni-daemon "$@"; }
is_running() { [ "$("$DOCKER" container inspect --format '{{.State.Running}} {{.RestartCount}}' "$name")" = 'true 0' ]; }
if wait_for_answer; then exit; fi
say "no answer at $SOCKET; the last lines of the container:"
"$DOCKER" logs --tail 10 "$name" >&2
"$DOCKER" stop "$name" >/dev/null
fail "stopped the container $name"
