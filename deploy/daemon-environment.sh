# shellcheck shell=sh
# What the run-*.sh scripts have in common; they read it from beside themselves, and it sees the flags that they were given. Sets
# CONFIG_DIR, DAEMON_FLAGS and OTEL_VARIABLES; SOCKET_DIR, DRIVER_NAME and STATE_DIR as the flags have them; SOCKET.

CONFIG_DIR=${CONFIG_DIR:-/etc/infoblox-cni}
# Seconds in which the daemon has to answer.
WAIT=${WAIT:-30}
# Flags of the daemon; daemon.env, where it exists, has the last word.
DAEMON_FLAGS="--grid-host=192.168.124.200 --wapi-username=infoblox"

say() { echo "${0##*/}: $*" >&2; }

fail() {
  say "$*"
  exit 1
}

[ "$(id -u)" -eq 0 ] || fail 'must be run as root'
# The daemon's memory holds the password.
ulimit -c 0
# shellcheck source=/dev/null
if [ -r "$CONFIG_DIR/daemon.env" ]; then . "$CONFIG_DIR/daemon.env"; fi
# One flag a line, in the words that systemd makes of it: quotes keep spaces in a flag, and nothing is expanded. The scripts
# use it unquoted.
DAEMON_FLAGS=$(printf '%s\n' "$DAEMON_FLAGS" | xargs printf '%s\n') ||
  fail "DAEMON_FLAGS in $CONFIG_DIR/daemon.env has a quote without its partner"
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

# flag NAME DEFAULT FLAG...: what the flags say, the last one first
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

# beside FILE: where what `make image` or `make aci` wrote is; nothing if it is not there
beside() {
  for directory in "$(dirname "$0")" "$(dirname "$0")/../dist"; do
    if [ -e "$directory/$1" ]; then
      echo "$directory/$1"
      return
    fi
  done
}

# What a container of the daemon shares with the host has to be there before.
make_shared_directories() {
  # Whatever the umask: the daemon refuses a directory that others can write to.
  mkdir -p -m 0755 "$SOCKET_DIR" /run/netns "$CONFIG_DIR"
  install -d -m 0700 "$STATE_DIR"
}

# A daemon that the script does not know of has to be stopped by who started it.
refuse_another_daemon() {
  # Flags of a socket that somebody listens at: /proc/net/unix, __SO_ACCEPTCON.
  if awk -v path="$SOCKET" '$4 == "00010000" && $8 == path { found = 1 } END { exit !found }' /proc/net/unix; then
    fail "another daemon listens at $SOCKET: stop it first, e.g. systemctl disable --now infoblox-cni.socket infoblox-cni-daemon"
  fi
}

# Waits until the daemon answers what the script's `ask` asks it, and says how it is. Fails if it does not answer in time, or if the
# script's `is_running` fails before.
wait_for_answer() {
  waited=0
  until
    answer=$(ask status --socket-dir="$SOCKET_DIR" --driver-name="$DRIVER_NAME" 2>/dev/null)
    case $answer in
      # It has just started, and has not asked the grid yet.
      'NOT WELL: grid-not-seen'*) false ;;
      well* | 'NOT WELL: '*) ;;
      # Not the daemon's: docker says on stdout, too, that it could not ask.
      *)
        answer=''
        false
        ;;
    esac
  do
    is_running || return 1
    if [ "$waited" -ge "$WAIT" ]; then break; fi
    if [ "$waited" -eq 1 ]; then say "waiting for an answer at $SOCKET, $WAIT s at most"; fi
    sleep 1
    waited=$((waited + 1))
  done
  [ -n "$answer" ] || return 1
  say "the daemon answers at $SOCKET: $(echo "$answer" | head -n 1)"
}

# The same for a daemon that takes the place of the script, with its log on the terminal.
wait_for_answer_aside() {
  is_running() { kill -0 $$ 2>/dev/null; }
  (wait_for_answer || say "no answer at $SOCKET: the lines before this one say why" &)
}
