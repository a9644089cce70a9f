#!/bin/sh
# Installs and uninstalls infoblox-cni: `make install`, `make uninstall`, and a release's tarball run it. Needs a build
# in DIST; neither npm nor Node.
set -eu
umask 022

deploy=$(dirname "$0")
# In a tarball the build is beside this script.
if [ -z "${DIST:-}" ]; then
  if [ -e "$deploy/infoblox-cni" ]; then DIST=$deploy; else DIST=dist; fi
fi
PREFIX=${PREFIX:-/usr/local}
BINDIR=${BINDIR:-$PREFIX/bin}
SYSTEMD_DIR=${SYSTEMD_DIR:-$PREFIX/lib/systemd/system}
TMPFILES_DIR=${TMPFILES_DIR:-$PREFIX/lib/tmpfiles.d}
SYSUSERS_DIR=${SYSUSERS_DIR:-$PREFIX/lib/sysusers.d}
SHARE_DIR=${SHARE_DIR:-$PREFIX/share}
DOC_DIR=${DOC_DIR:-$SHARE_DIR/doc/infoblox-cni}
action=${1:-}
program=${DESTDIR:-}$BINDIR/infoblox-cni
# shellcheck source=deploy/host.sh
. "$deploy/host.sh"
licences=$DESTDIR$DOC_DIR/THIRD-PARTY-LICENSES

# Manual pages and completion scripts, relative to the directory of shared data.
shared='man/man8/infoblox.8 man/man8/infoblox-cni-daemon.8 man/man8/infoblox-cni.8
  bash-completion/completions/infoblox-cni bash-completion/completions/infoblox-cni-daemon zsh/site-functions/_infoblox-cni-daemon
  fish/vendor_completions.d/infoblox-cni.fish fish/vendor_completions.d/infoblox-cni-daemon.fish'

# In a tarball the documentation is beside this script.
if [ -d "$deploy/docs" ]; then texts=$deploy; else texts=$deploy/..; fi

# Documentation, and what a cluster or a monitoring takes, by their paths below DOC_DIR, which are those that the texts name.
documents() {
  (cd "$texts" && find README.md SECURITY.md CHANGELOG.md docs -type f)
  (cd "$deploy" && find monitoring kubernetes -type f ! -name '*.test.yml' | sed 's|^|deploy/|')
}

# The scripts for other ways to run the daemon.
scripts='run-daemon.sh run-docker-daemon.sh run-rkt-daemon.sh run-aci-daemon.sh daemon-environment.sh'
script_dir=$DESTDIR$SHARE_DIR/infoblox-cni

# put MODE SOURCE TARGET
put() {
  pending=$3.new.$$
  install -m "$1" "$2" "$pending"
  move_in "$3"
}

# put_once MODE SOURCE TARGET: never replaces a file, since an operator may have edited it.
put_once() {
  if [ -e "$3" ]; then
    say "$3 exists; left unchanged"
    # daemon.env may contain a password, and earlier releases made it readable for all.
    if [ "$1" = 0600 ]; then chmod o-rwx "$3"; fi
  else
    put "$@"
    say "$3"
  fi
}

# Chooses a directory if no main plugin shows where the runtime looks.
choose_plugin_directory() {
  if [ -n "$CNI_BIN_DIR" ] || [ -n "$(find_plugin bridge)" ]; then return; fi
  if [ -z "$(find_plugin infoblox)" ]; then CNI_BIN_DIR=/opt/cni/bin; fi
  say "no bridge plugin in $usual_directories${DESTDIR:+ below $DESTDIR}: if the runtime looks elsewhere, set CNI_BIN_DIR"
}

# missing WHAT FIX
missing() {
  echo "$action: $1. $2; nothing was changed" >&2
  exit 1
}

# Checks every precondition before anything is changed.
require_all() {
  for command in cmp find install ln mv sed sync; do
    command -v "$command" >/dev/null || missing "no $command on this host" 'Install coreutils, diffutils, findutils and sed'
  done
  for file in infoblox-cni THIRD-PARTY-LICENSES; do
    [ -f "$DIST/$file" ] || missing "no $file in $DIST" 'Name the directory of a build in DIST'
  done
  for directory in $(directories) $(plugin_directories); do
    existing=$DESTDIR$directory
    while [ ! -e "$existing" ] && [ -n "$existing" ]; do existing=${existing%/*}; done
    [ -w "${existing:-/}" ] || missing "$existing cannot be written to" 'Run it as root, or name other directories'
  done
  # With DESTDIR the build may be for another machine.
  if [ -n "$DESTDIR" ]; then return; fi
  if answer=$("$DIST/infoblox-cni" --version 2>&1); then return; fi
  missing "$DIST/infoblox-cni does not run on this host, $(uname -m): $answer" \
    'It needs the build for this machine, glibc 2.28 or later, libstdc++ and libgcc (Debian: libstdc++6 libgcc-s1)'
}

directories() {
  printf '%s\n' "$BINDIR" "$SYSTEMD_DIR" "$TMPFILES_DIR" "$SYSUSERS_DIR" "$SHARE_DIR" "$DOC_DIR" "$CONFIG_DIR"
}

install_all() {
  choose_plugin_directory
  require_all
  install -d -m 0755 "$DESTDIR$BINDIR" "$DESTDIR$SYSTEMD_DIR" "$DESTDIR$TMPFILES_DIR" "$DESTDIR$SYSUSERS_DIR" "$DESTDIR$DOC_DIR" \
    "$DESTDIR$CONFIG_DIR" "$DESTDIR$CONFIG_DIR/netconf"
  for directory in $(plugin_directories); do keep_foreign "$directory"; done
  put 0755 "$DIST/infoblox-cni" "$program"
  say "$program"
  put 0644 "$DIST/THIRD-PARTY-LICENSES" "$licences"
  say "$licences"
  for file in $shared; do install -D -m 0644 "$DIST/share/$file" "$DESTDIR$SHARE_DIR/$file"; done
  say "$DESTDIR$SHARE_DIR: manual pages, completion for bash, zsh and fish"
  for file in $(documents); do
    case $file in deploy/*) source=$deploy/${file#deploy/} ;; *) source=$texts/$file ;; esac
    install -D -m 0644 "$source" "$DESTDIR$DOC_DIR/$file"
  done
  say "$DESTDIR$DOC_DIR: documentation, alerts, dashboard, Kubernetes manifests"
  install -d -m 0755 "$script_dir"
  for file in $scripts; do put 0755 "$deploy/$file" "$script_dir/$file"; done
  say "$script_dir: scripts that run the daemon without systemd, under docker, podman or rkt"
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
  next_steps
}

# remove_from DIRECTORY WHAT FILE...: silent if there is nothing to remove.
remove_from() {
  directory=$1
  what=$2
  shift 2
  found=
  for file; do
    if [ -e "$directory/$file" ]; then found=$directory; fi
    rm -f "$directory/$file"
  done
  if [ -n "$found" ]; then say "removed $what from $directory"; fi
}

# In a chroot systemctl reports every unit as active.
runs_or_will() {
  if [ -d /run/systemd/system ] && systemctl -q is-active "$service" "$socket"; then return; fi
  systemctl -q is-enabled "$service" "$socket" 2>/dev/null
}

uninstall_all() {
  if [ -z "$DESTDIR" ] && runs_or_will; then
    say "the daemon runs, or will at the next boot: run systemctl disable --now $socket $service, then try again" >&2
    exit 1
  fi
  for directory in $(plugin_directories); do remove_plugin "$directory"; done
  unit=$DESTDIR$SYSTEMD_DIR/$service
  for file in "$DESTDIR$BINDIR/infoblox-cni-daemon" "$program" "$unit" "$unit.d/old-systemd.conf" "$licences" \
    "$DESTDIR$SYSTEMD_DIR/$socket" "$DESTDIR$TMPFILES_DIR/infoblox-cni.conf" "$DESTDIR$SYSUSERS_DIR/infoblox-cni.conf"; do
    if [ ! -e "$file" ] && [ ! -L "$file" ]; then continue; fi
    rm "$file"
    say "removed $file"
  done
  # shellcheck disable=SC2086 # names without spaces
  remove_from "$DESTDIR$SHARE_DIR" 'manual pages and completion' $shared
  # shellcheck disable=SC2086
  remove_from "$script_dir" 'the scripts' $scripts
  # shellcheck disable=SC2046
  remove_from "$DESTDIR$DOC_DIR" 'the documentation' $(documents)
  find "$DESTDIR$DOC_DIR/docs" "$DESTDIR$DOC_DIR/deploy" -depth -type d -empty -delete 2>/dev/null || true
  rmdir "$script_dir" 2>/dev/null || true
  rmdir "$DESTDIR$DOC_DIR" 2>/dev/null || true
  rmdir "$unit.d" 2>/dev/null || true
  say "kept: configuration in $DESTDIR$CONFIG_DIR, state in $DESTDIR/var/lib/infoblox-cni," \
    "and on the grid this host's addresses and blocks. Network configurations that name this plugin fail from now on."
}

case $action in
  install) install_all ;;
  uninstall) uninstall_all ;;
  *)
    cat >&2 <<END
usage: sh $0 install|uninstall
Environment: DESTDIR, PREFIX ($PREFIX), BINDIR, SHARE_DIR, DOC_DIR, SYSTEMD_DIR, SYSUSERS_DIR, TMPFILES_DIR,
CNI_BIN_DIR (those of $usual_directories that contain bridge), RKT_PLUGIN_DIR (/usr/lib/rkt/plugins/net if it exists)
END
    exit 2
    ;;
esac
