#!/bin/sh
# Puts the executable on a host and takes it away again: what `make install` and `make uninstall` run.
# Needs a build in DIST, nothing else: no npm, no Node.
set -eu

DESTDIR=${DESTDIR:-}
DIST=${DIST:-dist}
BINDIR=${BINDIR:-/usr/local/bin}
# Empty: wherever this host has its main plugins.
CNI_BIN_DIR=${CNI_BIN_DIR:-}
RKT_PLUGIN_DIR=${RKT_PLUGIN_DIR:-}
SYSTEMD_DIR=${SYSTEMD_DIR:-/usr/local/lib/systemd/system}
TMPFILES_DIR=${TMPFILES_DIR:-/usr/local/lib/tmpfiles.d}
SYSUSERS_DIR=${SYSUSERS_DIR:-/usr/local/lib/sysusers.d}
DOC_DIR=${DOC_DIR:-/usr/local/share/doc/infoblox-cni}
SHARE_DIR=${SHARE_DIR:-/usr/local/share}
CONFIG_DIR=${CONFIG_DIR:-/etc/infoblox-cni}
deploy=$(dirname "$0")
service=infoblox-cni-daemon.service
socket=infoblox-cni.socket
program=$DESTDIR$BINDIR/infoblox-cni
licences=$DESTDIR$DOC_DIR/THIRD-PARTY-LICENSES

pending=
trap 'rm -f "$pending"' EXIT

say() { echo "$action: $*"; }

# Manual pages and completion scripts, by their paths below a directory of shared data.
shared='man/man8/infoblox.8 man/man8/infoblox-cni-daemon.8 man/man8/infoblox-cni.8
  bash-completion/completions/infoblox-cni-daemon zsh/site-functions/_infoblox-cni-daemon
  fish/vendor_completions.d/infoblox-cni-daemon.fish'

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

# put MODE SOURCE TARGET
put() {
  pending=$3.new.$$
  install -m "$1" "$2" "$pending"
  move_in "$3"
}

# put_once MODE SOURCE TARGET: what an operator may have edited is never replaced.
put_once() {
  if [ -e "$3" ]; then
    say "$3 exists and stays as it is"
    # daemon.env may hold a password, and earlier releases let all read it.
    if [ "$1" = 0600 ]; then chmod o-rwx "$3"; fi
  else
    put "$@"
    say "$3"
  fi
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
  say "$plugin was not put there by make install: kept as $kept"
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
  systemd-sysusers infoblox-cni.conf
  systemd-tmpfiles --create infoblox-cni.conf
  say 'the user infoblox-cni, as which the service runs'
}

# Without a main plugin on this host nobody can tell where its runtime looks.
choose_plugin_directory() {
  if [ -n "$CNI_BIN_DIR" ] || [ -n "$(find_plugin bridge)" ]; then return; fi
  if [ -z "$(find_plugin infoblox)" ]; then CNI_BIN_DIR=/opt/cni/bin; fi
  say "no bridge plugin in $usual_directories${DESTDIR:+ below $DESTDIR}: if the runtime looks elsewhere, set CNI_BIN_DIR"
}

install_all() {
  choose_plugin_directory
  install -d -m 0755 "$DESTDIR$BINDIR" "$DESTDIR$SYSTEMD_DIR" "$DESTDIR$TMPFILES_DIR" "$DESTDIR$SYSUSERS_DIR" "$DESTDIR$DOC_DIR" \
    "$DESTDIR$CONFIG_DIR" "$DESTDIR$CONFIG_DIR/netconf"
  for directory in $(plugin_directories); do keep_foreign "$directory"; done
  put 0755 "$DIST/infoblox-cni" "$program"
  say "$program"
  put 0644 "$DIST/THIRD-PARTY-LICENSES" "$licences"
  say "$licences"
  for file in $shared; do
    install -d -m 0755 "$DESTDIR$SHARE_DIR/${file%/*}"
    put 0644 "$DIST/share/$file" "$DESTDIR$SHARE_DIR/$file"
  done
  say "$DESTDIR$SHARE_DIR: manual pages, completion for bash, zsh and fish"
  ln -sfn infoblox-cni "$DESTDIR$BINDIR/infoblox-cni-daemon"
  say "$DESTDIR$BINDIR/infoblox-cni-daemon"
  for directory in $(plugin_directories); do put_plugin "$directory"; done

  unit=$DESTDIR$SYSTEMD_DIR/$service
  pending=$unit.new.$$
  sed "s|/usr/local/bin/|$BINDIR/|" "$deploy/systemd/$service" >"$pending"
  chmod 0644 "$pending"
  move_in "$unit"
  say "$unit"
  put_drop_in "$unit.d/old-systemd.conf"
  put 0644 "$deploy/systemd/$socket" "$DESTDIR$SYSTEMD_DIR/$socket"
  say "$DESTDIR$SYSTEMD_DIR/$socket"
  put 0644 "$deploy/systemd/infoblox-cni.sysusers.conf" "$DESTDIR$SYSUSERS_DIR/infoblox-cni.conf"
  put 0644 "$deploy/systemd/infoblox-cni.tmpfiles.conf" "$DESTDIR$TMPFILES_DIR/infoblox-cni.conf"
  make_user

  put_once 0600 "$deploy/systemd/daemon.env" "$DESTDIR$CONFIG_DIR/daemon.env"
  put_once 0600 /dev/null "$DESTDIR$CONFIG_DIR/wapi-password"
  for example in "$deploy"/netconf/*; do
    put_once 0644 "$example" "$DESTDIR$CONFIG_DIR/netconf/${example##*/}"
  done
  cat <<END

Next:
  1. the grid's address and user in $CONFIG_DIR/daemon.env, the password in $CONFIG_DIR/wapi-password
  2. systemctl daemon-reload && systemctl enable $service && systemctl restart $service
  3. a network: copy one of $CONFIG_DIR/netconf to where the runtime looks (rkt: /etc/rkt/net.d, others: /etc/cni/net.d)
END
}

uninstall_all() {
  if [ -z "$DESTDIR" ] && { systemctl -q is-active "$service" "$socket" || systemctl -q is-enabled "$service" "$socket"; } 2>/dev/null; then
    say "the daemon still runs, or will at the next boot: systemctl disable --now $socket $service, then again" >&2
    exit 1
  fi
  for directory in $(plugin_directories); do
    plugin=$DESTDIR$directory/infoblox
    if [ ! -e "$plugin" ]; then continue; fi
    if cmp -s "$plugin" "$program"; then
      rm "$plugin"
      say "removed $plugin"
    else
      say "$plugin is not the file that make install put there, and stays"
    fi
  done
  unit=$DESTDIR$SYSTEMD_DIR/$service
  for file in "$DESTDIR$BINDIR/infoblox-cni-daemon" "$program" "$unit" "$unit.d/old-systemd.conf" "$licences" \
    "$DESTDIR$SYSTEMD_DIR/$socket" "$DESTDIR$TMPFILES_DIR/infoblox-cni.conf" "$DESTDIR$SYSUSERS_DIR/infoblox-cni.conf"; do
    if [ ! -e "$file" ] && [ ! -L "$file" ]; then continue; fi
    rm "$file"
    say "removed $file"
  done
  for file in $shared; do rm -f "$DESTDIR$SHARE_DIR/$file"; done
  say "removed manual pages and completion from $DESTDIR$SHARE_DIR"
  rmdir "$DESTDIR$DOC_DIR" 2>/dev/null || true
  rmdir "$unit.d" 2>/dev/null || true
  say "left as they are: configuration in $DESTDIR$CONFIG_DIR, state in $DESTDIR/var/lib/infoblox-cni," \
    "and what the grid holds. Network configurations that name this plugin will fail from now on."
}

action=${1:-}
case $action in
  install) install_all ;;
  uninstall) uninstall_all ;;
  *)
    echo "usage: $0 install|uninstall" >&2
    exit 2
    ;;
esac
