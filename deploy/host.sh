# shellcheck shell=sh
# What differs from host to host: where plugins are looked for, which systemd there is, who may use it. install.sh reads it, and
# the Debian package's maintainer scripts begin with it. Whoever does sets `action`, which its lines begin with, and `program`,
# the installed executable; DESTDIR, CNI_BIN_DIR and RKT_PLUGIN_DIR may be unset.

DESTDIR=${DESTDIR:-}
# Empty: wherever this host has its main plugins.
CNI_BIN_DIR=${CNI_BIN_DIR:-}
# Empty: served only where it exists already.
RKT_PLUGIN_DIR=${RKT_PLUGIN_DIR:-}
CONFIG_DIR=/etc/infoblox-cni
service=infoblox-cni-daemon.service
socket=infoblox-cni.socket

pending=
trap 'rm -f "$pending"' EXIT

say() { echo "$action: $*"; }

# Where distributions and the CNI project put main plugins.
usual_directories='/opt/cni/bin /usr/lib/cni /usr/libexec/cni'

# find_plugin NAME: each usual directory that holds it, one a line.
find_plugin() {
  for directory in $usual_directories; do
    if [ -e "$DESTDIR$directory/$1" ]; then echo "$directory"; fi
  done
}

# Each plugin directory that is served, one a line: by default those that hold bridge, or our plugin from an earlier install.
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

# Moves the complete, flushed $pending over its target in one step: a plugin that runs now keeps its old file, and one
# that starts now finds the old or the new, never half of one.
move_in() {
  sync "$pending"
  mv -f "$pending" "$1"
}

# A plugin of that name that is not the one installed before, as the driver that this one follows, is kept beside it; what
# was kept earlier stays.
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

# A hard link, because runtimes and containers that see only the plugin directory could not follow a symbolic one; it costs
# no space. On another file system it is a copy.
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
    say "$plugin is not the file that was installed, and stays"
  fi
}

# put_drop_in FILE: only where the unit's OpenFile= is not known, the daemon needs a child process to notify systemd.
put_drop_in() {
  version=$(systemctl --version 2>/dev/null | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
  rm -f "$1"
  if [ "${version:-253}" -ge 253 ]; then return; fi
  install -d -m 0755 "${1%/*}"
  pending=$1.new.$$
  printf '[Service]\nNotifyAccess=all\n' >"$pending"
  chmod 0644 "$pending"
  move_in "$1"
  say "$1: systemd $version knows no OpenFile="
}

# The user of the service, and the directory of notes; without systemd the daemon runs as root and makes what it needs.
make_user() {
  if [ -n "$DESTDIR" ] || ! command -v systemd-sysusers >/dev/null; then return; fi
  systemd-sysusers infoblox-cni.conf && systemd-tmpfiles --create infoblox-cni.conf || return
  say 'the user infoblox-cni, as which the service runs'
}

next_steps() {
  cat <<END

Next:
  1. the grid's address and user in $CONFIG_DIR/daemon.env, the password in $CONFIG_DIR/wapi-password
  2. systemctl daemon-reload && systemctl enable $service && systemctl restart $service
  3. a network: copy one of $CONFIG_DIR/netconf to where the runtime looks (rkt: /etc/rkt/net.d, others: /etc/cni/net.d)
END
}
