# shellcheck shell=sh
# Host-specific parts: plugin directories, systemd's version, the service's user. install.sh sources it, and the Debian
# package's maintainer scripts start with it. They set `action`, the prefix of messages, and `program`, the installed
# executable. DESTDIR, CNI_BIN_DIR and RKT_PLUGIN_DIR may be unset.

DESTDIR=${DESTDIR:-}
# Empty: every directory of this host with main plugins.
CNI_BIN_DIR=${CNI_BIN_DIR:-}
# Empty: only if rkt's directory exists.
RKT_PLUGIN_DIR=${RKT_PLUGIN_DIR:-}
CONFIG_DIR=/etc/infoblox-cni
service=infoblox-cni-daemon.service
socket=infoblox-cni.socket

pending=
trap 'rm -f "$pending"' EXIT

say() { echo "$action: $*"; }

# Plugin directories of distributions and of the CNI project.
usual_directories='/opt/cni/bin /usr/lib/cni /usr/libexec/cni'

# find_plugin NAME: prints the usual directories that contain it, one per line.
find_plugin() {
  for directory in $usual_directories; do
    if [ -e "$DESTDIR$directory/$1" ]; then echo "$directory"; fi
  done
}

# Prints the plugin directories to install into, one per line: by default those with bridge, or with our plugin from an
# earlier install.
plugin_directories() {
  if [ -n "$CNI_BIN_DIR" ]; then
    echo "$CNI_BIN_DIR"
  else
    { find_plugin bridge; find_plugin infoblox; } | sort -u
  fi
  if [ -n "$RKT_PLUGIN_DIR" ]; then
    echo "$RKT_PLUGIN_DIR"
  elif [ -d "$DESTDIR/usr/lib/rkt/plugins/net" ]; then
    echo /usr/lib/rkt/plugins/net
  fi
}

# Replaces a file by $pending in one step: running plugins keep the old file, and new ones find the old or the new file,
# never a part.
move_in() {
  sync "$pending"
  mv -f "$pending" "$1"
}

# Keeps a plugin of the same name that another program installed, such as the original driver's, under a new name.
# Earlier copies stay.
keep_foreign() {
  plugin=$DESTDIR$1/infoblox
  if [ ! -e "$plugin" ] || cmp -s "$plugin" "$program"; then return; fi
  kept=$plugin.replaced
  number=1
  while [ -e "$kept" ] || [ -L "$kept" ]; do
    if cmp -s "$plugin" "$kept"; then return; fi
    number=$((number + 1))
    kept=$plugin.replaced-$number
  done
  ln "$plugin" "$kept"
  say "$plugin is another program: kept as $kept"
}

# A hard link: a symbolic one would be broken for runtimes and containers that see only the plugin directory. On another
# file system it is a copy.
put_plugin() {
  install -d -m 0755 "$DESTDIR$1"
  pending=$DESTDIR$1/infoblox.new.$$
  ln "$program" "$pending" 2>/dev/null || install -m 0755 "$program" "$pending"
  move_in "$DESTDIR$1/infoblox"
  say "$DESTDIR$1/infoblox"
}

remove_plugin() {
  plugin=$DESTDIR$1/infoblox
  if [ ! -e "$plugin" ]; then return; fi
  if cmp -s "$plugin" "$program"; then
    rm "$plugin"
    say "removed $plugin"
  else
    say "$plugin is not the installed file; left in place"
  fi
}

# put_drop_in FILE: for a systemd without OpenFile=, where the daemon notifies systemd through a child process.
put_drop_in() {
  version=$(systemctl --version 2>/dev/null | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
  rm -f "$1"
  if [ "${version:-253}" -ge 253 ]; then return; fi
  install -d -m 0755 "${1%/*}"
  pending=$1.new.$$
  printf '[Service]\nNotifyAccess=all\n' >"$pending"
  chmod 0644 "$pending"
  move_in "$1"
  say "$1: systemd $version does not support OpenFile="
}

# Creates the service's user and the directory of notes. Without systemd the daemon runs as root and creates what it
# needs.
make_user() {
  if [ -n "$DESTDIR" ] || ! command -v systemd-sysusers >/dev/null; then return; fi
  systemd-sysusers infoblox-cni.conf && systemd-tmpfiles --create infoblox-cni.conf || return
  say 'the user infoblox-cni, for the service'
}

next_steps() {
  if [ -s "$DESTDIR$CONFIG_DIR/wapi-password" ]; then
    printf '\nNext: systemctl daemon-reload && systemctl restart %s\n' "$service"
    return
  fi
  cat <<END

Next:
  1. write the grid's address and user to $CONFIG_DIR/daemon.env, and the password to $CONFIG_DIR/wapi-password
  2. systemctl daemon-reload && systemctl enable $service && systemctl restart $service
  3. configure a network: copy one of $CONFIG_DIR/netconf to where the runtime looks (rkt: /etc/rkt/net.d, others: /etc/cni/net.d)
  4. infoblox-cni doctor
END
}
