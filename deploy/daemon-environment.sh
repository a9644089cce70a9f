# shellcheck shell=sh
# Common part of the run-*.sh scripts, which source it from their directory with their flags as arguments. Sets
# CONFIG_DIR, DAEMON_FLAGS and OTEL_VARIABLES; SOCKET_DIR, DRIVER_NAME and STATE_DIR from the flags; SOCKET.

CONFIG_DIR=${CONFIG_DIR:-/etc/infoblox-cni}
# Seconds for the daemon to answer.
WAIT=${WAIT:-30}
# Default flags of the daemon; daemon.env overrides them.
DAEMON_FLAGS="--grid-host=192.168.124.200 --wapi-username=infoblox"

say() { echo "${0##*/}: $*" >&2; }

fail() {
  say "$*"
  exit 1
}

[ "$(id -u)" -eq 0 ] || fail 'must be run as root'
# No core dumps: the daemon's memory contains the password.
ulimit -c 0
# shellcheck source=/dev/null
if [ -r "$CONFIG_DIR/daemon.env" ]; then . "$CONFIG_DIR/daemon.env"; fi
# Splits the flags as systemd does: one per line, quotes keep spaces, nothing is expanded. The scripts use the result
# unquoted.
DAEMON_FLAGS=$(printf '%s\n' "$DAEMON_FLAGS" | xargs printf '%s\n') ||
  fail "DAEMON_FLAGS in $CONFIG_DIR/daemon.env has an unmatched quote"
IFS='
'
set -f
# Keep the password out of `ps`. As in the unit, a flag overrides WAPI_PASSWORD, here or in daemon.env, which overrides
# the file.
if [ -n "${WAPI_PASSWORD:-}" ]; then
  export WAPI_PASSWORD
elif [ -e "$CONFIG_DIR/wapi-password" ]; then
  DAEMON_FLAGS="--wapi-password-file=$CONFIG_DIR/wapi-password
$DAEMON_FLAGS"
fi

# Names of OpenTelemetry's variables, here or in daemon.env, one per line: they say where traces go.
# shellcheck disable=SC2034 # for the scripts
OTEL_VARIABLES=$(set | sed -n 's/^\(OTEL_[A-Z0-9_]*\)=.*/\1/p')
for variable in $OTEL_VARIABLES; do export "${variable?}"; done

# flag NAME DEFAULT FLAG...: prints a flag's value; the last one counts.
flag() {
  name=$1
  value=$2
  shift 2
  before=
  for word; do
    case $before in --"$name" | -"$name") value=$word ;; esac
    case $word in --"$name"=* | -"$name"=*) value=${word#*=} ;; esac
    before=$word
  done
  echo "$value"
}
# shellcheck disable=SC2086 # one flag a line
SOCKET_DIR=$(flag socket-dir /run/cni $DAEMON_FLAGS "$@")
# shellcheck disable=SC2086
DRIVER_NAME=$(flag driver-name infoblox $DAEMON_FLAGS "$@")
# shellcheck disable=SC2086,SC2034
STATE_DIR=$(flag state-dir /var/lib/infoblox-cni $DAEMON_FLAGS "$@")
SOCKET=$SOCKET_DIR/$DRIVER_NAME.sock

# beside FILE: prints the path of a file that `make image` or `make aci` wrote; nothing if it does not exist.
beside() {
  for directory in "$(dirname "$0")" "$(dirname "$0")/../dist"; do
    if [ -e "$directory/$1" ]; then
      echo "$directory/$1"
      return
    fi
  done
}

# Creates the directories that a container of the daemon shares with the host.
make_shared_directories() {
  # Set the mode explicitly: the daemon refuses a directory that others can write to.
  mkdir -p -m 0755 "$SOCKET_DIR" /run/netns "$CONFIG_DIR"
  install -d -m 0700 "$STATE_DIR"
}

# Refuses to start next to a daemon that this script did not start.
refuse_another_daemon() {
  # 00010000 is __SO_ACCEPTCON in /proc/net/unix: a listening socket.
  if awk -v path="$SOCKET" '$4 == "00010000" && $8 == path { found = 1 } END { exit !found }' /proc/net/unix; then
    fail "another daemon listens at $SOCKET: stop it first, e.g. systemctl disable --now infoblox-cni.socket infoblox-cni-daemon"
  fi
}

# Waits until the daemon answers the script's `ask`, and prints its state. Fails on a timeout, or when the script's
# `is_running` fails.
wait_for_answer() {
  waited=0
  until
    answer=$(ask status --socket-dir="$SOCKET_DIR" --driver-name="$DRIVER_NAME" 2>/dev/null)
    case $answer in
      # Just started, and not yet connected to the grid.
      'NOT WELL: grid-not-seen'*) false ;;
      well* | 'NOT WELL: '*) ;;
      # Not the daemon's answer: docker reports its own errors on stdout, too.
      *)
        answer=''
        false
        ;;
    esac
  do
    is_running || return 1
    if [ "$waited" -ge "$WAIT" ]; then break; fi
    if [ "$waited" -eq 1 ]; then say "waiting up to $WAIT s for an answer at $SOCKET"; fi
    sleep 1
    waited=$((waited + 1))
  done
  [ -n "$answer" ] || return 1
  say "the daemon answers at $SOCKET: $(echo "$answer" | head -n 1)"
}

# The same for a daemon that replaces this process (exec), with its log on the terminal.
wait_for_answer_aside() {
  is_running() { kill -0 $$ 2>/dev/null; }
  (wait_for_answer || say "no answer at $SOCKET: see the lines above" &)
}
