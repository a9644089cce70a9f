#!/bin/sh
# Runs infoblox-cni-daemon directly. Flags of this script follow those of daemon-environment.sh.
set -eu

DAEMON=${DAEMON:-infoblox-cni-daemon}
# shellcheck source=deploy/daemon-environment.sh
. "$(dirname "$0")/daemon-environment.sh"

command -v "$DAEMON" >/dev/null || fail "no $DAEMON: run make install, or set DAEMON to its path"
refuse_another_daemon
ask() { "$DAEMON" "$@"; }
wait_for_answer_aside
# shellcheck disable=SC2086 # one flag a line
exec "$DAEMON" $DAEMON_FLAGS "$@"
