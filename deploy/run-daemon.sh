#!/bin/sh
# Runs infoblox-cni-daemon as a native executable. Flags given to this script follow those of daemon-environment.sh.
set -eu

DAEMON=${DAEMON:-infoblox-cni-daemon}
# shellcheck source=deploy/daemon-environment.sh
. "$(dirname "$0")/daemon-environment.sh"

# shellcheck disable=SC2086 # one flag a line
exec "$DAEMON" $DAEMON_FLAGS "$@"
