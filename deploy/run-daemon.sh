#!/bin/sh
# Runs infoblox-cni-daemon as a native executable. Flags given to this script follow those of daemon-environment.sh.
set -eu

DAEMON=${DAEMON:-infoblox-cni-daemon}
# shellcheck source=deploy/daemon-environment.sh
. "$(dirname "$0")/daemon-environment.sh"

command -v "$DAEMON" >/dev/null || fail "no $DAEMON: make install puts it there, or name it in DAEMON"
refuse_another_daemon
ask() { "$DAEMON" "$@"; }
wait_for_answer_aside
# shellcheck disable=SC2086 # one flag a line
exec "$DAEMON" $DAEMON_FLAGS "$@"
