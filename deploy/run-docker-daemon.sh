#!/bin/sh
# Runs the daemon as a container of docker, or of podman with DOCKER=podman, in the place of one that runs so already. The image is
# what `make image` wrote, beside this script, in dist, or where ARCHIVE says; or any that IMAGE names.
set -eu

DOCKER=${DOCKER:-docker}
# shellcheck source=deploy/daemon-environment.sh
. "$(dirname "$0")/daemon-environment.sh"
name=infoblox-cni-daemon

command -v "$DOCKER" >/dev/null || fail "no $DOCKER (Debian: apt-get install docker.io docker-cli); with podman, set DOCKER=podman"
"$DOCKER" info >/dev/null 2>&1 || fail "$DOCKER does not work here: $DOCKER info says why"

# Loads the image that the archive holds, unless it is there.
load_image() {
  [ -r "$1" ] || fail "no image at $1"
  manifest=$(tar -xOf "$1" manifest.json 2>/dev/null) || fail "$1 is no image that make image wrote"
  IMAGE=$(echo "$manifest" | sed 's/.*"RepoTags":\["\([^"]*\)".*/\1/')
  id=$(echo "$manifest" | sed 's|.*"Config":"blobs/sha256/\([^"]*\)".*|\1|')
  there=$("$DOCKER" image inspect --format '{{.Id}}' "$IMAGE" 2>/dev/null) || there=
  if [ "${there#sha256:}" = "$id" ]; then return; fi
  say "loading $IMAGE from $1"
  "$DOCKER" load --quiet --input "$1" >/dev/null
}

# The host's network, name and processes: the daemon looks at the network namespaces of the host's containers.
# Variables are named alone, so that their values stay out of `ps`.
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
  *) fail "the container $name is no daemon of ours, it runs ${former#* }: rename it first, $DOCKER rename $name OTHER" ;;
esac
# Of a former container that has stopped, somebody else's daemon may have taken the place.
[ "${former% *}" = true ] || refuse_another_daemon
if [ -z "${IMAGE:-}" ]; then
  archive=${ARCHIVE:-$(beside infoblox-cni-daemon.oci.tar)}
  if [ -n "$archive" ]; then
    load_image "$archive"
  else
    IMAGE=$("$DOCKER" image ls --format '{{.Repository}}:{{.Tag}}' localhost/infoblox-cni-daemon)
    [ -n "$IMAGE" ] || fail "no image: make image writes one, which ARCHIVE names; or name an image in IMAGE"
    [ "$(echo "$IMAGE" | wc -l)" -eq 1 ] || fail "several images: name one of them in IMAGE: $(echo "$IMAGE" | tr '\n' ' ')"
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
