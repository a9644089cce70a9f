# shellcheck shell=sh
# What the run-*.sh scripts have in common; they read it from beside themselves. Sets CONFIG_DIR, DAEMON_FLAGS and OTEL_VARIABLES.

CONFIG_DIR=${CONFIG_DIR:-/etc/infoblox-cni}
# Flags of the daemon; daemon.env, where it exists, has the last word.
DAEMON_FLAGS="--grid-host=192.168.124.200 --wapi-username=infoblox"

if [ "$(id -u)" -ne 0 ]; then
  echo "$0: must be run as root" >&2
  exit 1
fi
# The daemon's memory holds the password.
ulimit -c 0
# shellcheck source=/dev/null
if [ -r "$CONFIG_DIR/daemon.env" ]; then . "$CONFIG_DIR/daemon.env"; fi
# One flag a line, in the words that systemd makes of it: quotes keep spaces in a flag, and nothing is expanded. The scripts
# use it unquoted.
DAEMON_FLAGS=$(printf '%s\n' "$DAEMON_FLAGS" | xargs printf '%s\n') || {
  echo "$0: DAEMON_FLAGS in $CONFIG_DIR/daemon.env has a quote without its partner" >&2
  exit 1
}
IFS='
'
set -f
# The password stays out of `ps`. A flag wins over WAPI_PASSWORD, here or in daemon.env, and that over the file, as in the unit.
if [ -n "${WAPI_PASSWORD:-}" ]; then
  export WAPI_PASSWORD
elif [ -e "$CONFIG_DIR/wapi-password" ]; then
  DAEMON_FLAGS="--wapi-password-file=$CONFIG_DIR/wapi-password
$DAEMON_FLAGS"
fi

# Where traces go is in OpenTelemetry's variables, here or in daemon.env. Their names, one a line.
# shellcheck disable=SC2034 # for the scripts
OTEL_VARIABLES=$(set | sed -n 's/^\(OTEL_[A-Z0-9_]*\)=.*/\1/p')
for variable in $OTEL_VARIABLES; do export "${variable?}"; done

# What a container of the daemon shares with the host has to be there before.
make_shared_directories() {
  # Whatever the umask: the daemon refuses a directory that others can write to.
  mkdir -p -m 0755 /run/cni /run/netns "$CONFIG_DIR"
  install -d -m 0700 /var/lib/infoblox-cni
}
