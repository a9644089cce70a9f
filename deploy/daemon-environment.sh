# shellcheck shell=sh
# What the run-*.sh scripts have in common; they read it from beside themselves. Sets CONFIG_DIR and DAEMON_FLAGS.

CONFIG_DIR=${CONFIG_DIR:-/etc/infoblox-cni}
# Flags of the daemon; daemon.env, where it exists, has the last word.
DAEMON_FLAGS="--grid-host=192.168.124.200 --wapi-username=infoblox"

if [ "$(id -u)" -ne 0 ]; then
  echo "$0: must be run as root" >&2
  exit 1
fi
# shellcheck source=/dev/null
if [ -r "$CONFIG_DIR/daemon.env" ]; then . "$CONFIG_DIR/daemon.env"; fi
# The password stays out of `ps`: from WAPI_PASSWORD, here or in daemon.env, or from the file.
if [ -n "${WAPI_PASSWORD:-}" ]; then
  export WAPI_PASSWORD
elif [ -s "$CONFIG_DIR/wapi-password" ]; then
  DAEMON_FLAGS="$DAEMON_FLAGS --wapi-password-file=$CONFIG_DIR/wapi-password"
fi

# What a container of the daemon shares with the host has to be there before.
make_shared_directories() {
  mkdir -p /run/cni /run/netns "$CONFIG_DIR"
  install -d -m 0700 /var/lib/infoblox-cni
}
