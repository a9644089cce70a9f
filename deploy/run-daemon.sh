#!/bin/sh
# Runs infoblox-cni-daemon as a native executable. Flags given to this script follow those set here.
set -eu

# Flags of the daemon; /etc/infoblox-cni/daemon.env, where it exists, has the last word.
DAEMON_FLAGS="--grid-host=192.168.124.200 --wapi-username=infoblox"
DAEMON=${DAEMON:-infoblox-cni-daemon}
CONFIG_DIR=${CONFIG_DIR:-/etc/infoblox-cni}

if [ "$(id -u)" -ne 0 ]; then
  echo "$0: must be run as root" >&2
  exit 1
fi
# shellcheck source=/dev/null
if [ -r "$CONFIG_DIR/daemon.env" ]; then . "$CONFIG_DIR/daemon.env"; fi
# The password stays out of `ps`: from WAPI_PASSWORD, or from the file.
if [ -z "${WAPI_PASSWORD:-}" ] && [ -s "$CONFIG_DIR/wapi-password" ]; then
  DAEMON_FLAGS="$DAEMON_FLAGS --wapi-password-file=$CONFIG_DIR/wapi-password"
fi
# shellcheck disable=SC2086 # one word per flag
exec "$DAEMON" $DAEMON_FLAGS "$@"
