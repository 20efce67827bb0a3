#!/usr/bin/env bash
# Sets powermgr up on this machine, or removes it. It may be run again at any
# time: it does what is still to do, and never overwrites a configuration.
#
#   setup.sh single                     a node alone
#   setup.sh primary|backup             a node of a pair, with keepalived
#     --own ADDRESS --other ADDRESS     of this node and of the other one
#     --virtual ADDRESS/BITS            which the active node has
#     --interface NAME                  left out: the one with the own address
#     --peer-key 'ssh-ed25519 AAAA…'    the other node's, which its setup prints
#   --live                              command devices at once: a configuration
#                                       that is new here begins as a dry run
#   setup.sh --uninstall                all but configuration, journal, tokens
#   setup.sh --uninstall --purge        these too
#   --dry-run                           say what would be done, and do nothing
#
# From a checkout it installs the binary beside it (make build, or make
# build-arm64) and the units. The package does that by itself, and has this
# script as powermgr-setup. A Power Manager v2.0 is stopped and taken over.
set -euo pipefail

here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
# In its place, as powermgr-setup, it has nothing to install from.
placed=no
if [ -f "$here/common.sh" ]; then
  # shellcheck source=deploy/common.sh
  . "$here/common.sh"
else
  placed=yes
  # shellcheck source=deploy/common.sh
  . /usr/lib/powermgr/common.sh
fi

usage() { sed -n '2,20s/^# \{0,1\}//p' "$0"; }
refuse() { printf 'setup: %s\n' "$*" >&2; exit 1; }
wrong() { printf 'setup: %s; setup.sh --help says how\n' "$*" >&2; exit 2; }

# --- what is asked ---------------------------------------------------------------

role='' uninstall=no purge=no live=no own='' other='' virtual='' interface='' peer_key=''
while [ "$#" -gt 0 ]; do
  case "$1" in
  single | primary | backup)
    [ -z "$role" ] || wrong "both $role and $1"
    role=$1
    ;;
  --uninstall) uninstall=yes ;;
  --purge) purge=yes ;;
  --live) live=yes ;;
  --dry-run) dry=yes ;;
  --own | --other | --virtual | --interface | --peer-key)
    [ "$#" -ge 2 ] || wrong "$1 needs a value"
    case "$1" in
    --own) own=$2 ;;
    --other) other=$2 ;;
    --virtual) virtual=$2 ;;
    --interface) interface=$2 ;;
    --peer-key) peer_key=$2 ;;
    esac
    shift
    ;;
  -h | --help) usage; exit 0 ;;
  *) wrong "$1 is nothing that it knows" ;;
  esac
  shift
done
if [ "$uninstall" = yes ]; then
  [ -z "$role" ] || wrong "both $role and --uninstall"
else
  [ -n "$role" ] || wrong 'neither single, primary, backup nor --uninstall is given'
  [ "$purge" = no ] || wrong '--purge is for --uninstall'
fi
for address in "$own" "$other" "${virtual%/*}"; do
  case "$address" in
  *[!0-9A-Fa-f.:]*) wrong "$address is not an address" ;;
  esac
done
case "$interface" in
*[!A-Za-z0-9._-]*) wrong "$interface is not an interface" ;;
esac
case "$peer_key" in
'' | ssh-ed25519\ * | ssh-rsa\ * | ecdsa-sha2-*\ *) ;;
*) wrong '--peer-key is not a public key: it begins with ssh-ed25519' ;;
esac
case "$peer_key" in
*$'\n'*) wrong '--peer-key is one line' ;;
esac

# --- is this a system for it -------------------------------------------------------

[ "$(id -u)" = 0 ] || refuse 'this needs root: sudo setup.sh …'
booted || refuse 'systemd does not run this system, and powermgr is a systemd service; in a container use deploy/Dockerfile'
if [ ! -f /etc/debian_version ] || ! command -v dpkg >/dev/null; then
  refuse 'this is neither Debian nor Raspberry Pi OS nor another of that family; install the binary and deploy/systemd by hand'
fi
machine=$(dpkg --print-architecture)
case "$machine" in
amd64 | arm64 | armhf) ;;
*) refuse "powermgr is built for amd64, arm64 and armhf, and this is $machine" ;;
esac
if [ "$(systemctl --version | awk 'NR == 1 {print $2 + 0}')" -lt 251 ]; then
  refuse 'this systemd is older than 251, and cannot give a service its credentials from a folder: Debian 12 and Raspberry Pi OS of 2023 have a newer one'
fi
# What the running kernel is does not matter: a Pi may have a 64-bit one below 32-bit programs.
packaged=no
if dpkg-query -W -f '${db:Status-Status}' powermgr 2>/dev/null | grep -q '^installed$'; then
  packaged=yes placed=yes
fi

binary=''
if [ "$placed" = no ] && [ "$uninstall" = no ]; then
  names=(powermgr)
  [ "$machine" = amd64 ] || names=("powermgr-$machine" powermgr)
  for folder in "$here" "$here/../build"; do
    for name in "${names[@]}"; do
      if [ -z "$binary" ] && [ -f "$folder/$name" ] && [ -x "$folder/$name" ]; then
        binary=$folder/$name
      fi
    done
  done
  [ -n "$binary" ] || refuse "there is no binary in $here or $here/../build: make build, or on another machine make build-arm64 or build-armhf"
  "$binary" version >/dev/null 2>&1 || refuse "$binary does not run here: is it built for $machine?"
fi

# --- removing ------------------------------------------------------------------------

# files are what is installed from a checkout: mode, source, place.
files() {
  printf '%s\n' "755 ${binary:--} /usr/bin/powermgr" \
    "755 $here/setup.sh /usr/sbin/powermgr-setup" \
    "644 $here/common.sh /usr/lib/powermgr/common.sh" \
    "755 $here/systemd/sync-send /usr/lib/powermgr/sync-send" \
    "755 $here/systemd/sync-receive /usr/lib/powermgr/sync-receive" \
    "755 $here/keepalived/keepalived-notify /usr/lib/powermgr/keepalived-notify" \
    "644 $here/keepalived/keepalived.conf /usr/share/powermgr/keepalived.conf" \
    "644 $here/systemd/powermgr.tmpfiles.conf /usr/lib/tmpfiles.d/powermgr.conf" \
    "644 $here/systemd/systemd-time-wait-sync.conf /usr/lib/systemd/system/systemd-time-wait-sync.service.d/powermgr.conf" \
    "644 $here/config.example.yaml $example" \
    "644 $here/config.schema.json ${example%/*}/config.schema.json"
  for unit in powermgr.service powermgr-failure.service powermgr-metrics.service powermgr-metrics.timer powermgr-sync.service powermgr-sync.timer mnt-ramdisk.mount; do
    echo "644 $here/systemd/$unit /usr/lib/systemd/system/$unit"
  done
}

if [ "$uninstall" = yes ]; then
  if [ "$packaged" = yes ]; then
    verb=remove
    [ "$purge" = no ] || verb=purge
    run apt-get "$verb" -y powermgr
    exit 0
  fi
  restore_first
  leave_pair
  for unit in powermgr-sync.timer powermgr-metrics.timer powermgr.service mnt-ramdisk.mount; do
    if [ -f "/usr/lib/systemd/system/$unit" ]; then
      run systemctl disable --now "$unit" 2>/dev/null || true
    fi
  done
  files | while read -r _ _ to; do
    run rm -f "$to"
  done
  for folder in /usr/lib/powermgr /usr/share/powermgr /usr/lib/systemd/system/systemd-time-wait-sync.service.d; do
    [ ! -d "$folder" ] || run rmdir --ignore-fail-on-non-empty "$folder"
  done
  run rm -rf /run/powermgr
  if [ "$purge" = yes ]; then
    forget
  fi
  run systemctl daemon-reload
  if [ "$purge" = yes ]; then
    say 'removed, with configuration, journal, tokens and records'
  else
    say "removed; $config, $state and /var/log/powermgr are kept. --uninstall --purge removes these too"
  fi
  exit 0
fi

# --- installing ------------------------------------------------------------------------

# changed notes what is new, since only that needs a restart.
changed=no
place() { # MODE FROM TO
  if [ -f "$3" ] && cmp -s "$2" "$3"; then
    return 0
  fi
  changed=yes
  # Beside it and then over it: a running binary cannot be written to.
  run install -D -m "$1" "$2" "$3.new"
  run mv -f "$3.new" "$3"
}

was_running=no
if systemctl is-active -q powermgr.service 2>/dev/null; then
  was_running=yes
fi
stop_v2
make_user
make_folders
if [ "$placed" = no ]; then
  while read -r mode from to; do
    place "$mode" "$from" "$to"
  done < <(files)
fi

# The package puts the example there, in which nobody has written yet either.
new_config=no
if [ ! -e "$config" ] || cmp -s "$config" "$example"; then
  new_config=yes
fi
first_config
private_config
adopt_v2

# --- the pair ------------------------------------------------------------------------

packages() {
  local missing=() package
  for package in "$@"; do
    if ! dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -q '^installed$'; then
      missing+=("$package")
    fi
  done
  if [ "${#missing[@]}" -gt 0 ]; then
    run apt-get update -qq
    run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
  fi
}

# write FILE takes what is to stand in a file that is nobody's own yet.
write() {
  if [ "$dry" = yes ]; then
    cat >/dev/null
    echo "would: write $1"
  else
    install -D -m 644 /dev/stdin "$1"
  fi
}

pair() {
  local first=$own second=$other priority=150
  if [ "$role" = backup ]; then
    first=$other second=$own priority=100
  fi
  # A configuration of v2.0, or one that is done, knows the addresses.
  : "${first:=$(value ha primary_node_ip)}" "${second:=$(value ha backup_node_ip)}" "${virtual:=$(value ha virtual_ip)}"
  if [ "$role" = primary ]; then own=$first other=$second; else own=$second other=$first; fi
  if [ -z "$own" ] || [ -z "$other" ] || [ -z "$virtual" ]; then
    refuse "a pair needs --own, --other and --virtual, or primary_node_ip, backup_node_ip and virtual_ip below ha in $config"
  fi
  case "$virtual" in */*) ;; *) virtual=$virtual/24 ;; esac
  if [ -z "$interface" ]; then
    interface=$(ip -o addr show 2>/dev/null | awk -v own="$own" '{split($4, a, "/"); if (a[1] == own) {print $2; exit}}')
    [ -n "$interface" ] || refuse "no interface has the address $own: is that this node's? Otherwise say --interface"
  fi

  if [ "$own" = "$other" ] || [ "$own" = "${virtual%/*}" ] || [ "$other" = "${virtual%/*}" ]; then
    refuse "the nodes have an address each, and the pair a third one: $own, $other and ${virtual%/*} are not three"
  fi
  [ -e "/sys/class/net/$interface" ] || refuse "there is no interface $interface here: ip addr shows those that there are"

  if [ "$new_config" = yes ] && [ "$dry" = no ]; then
    # Nobody has written in it yet.
    sed -i -e '/^ha:/,/^[a-z]/{' -e 's/^  enabled: false/  enabled: true/' -e "s/^  primary_node_ip: .*/  primary_node_ip: \"$first\"/" \
      -e "s/^  backup_node_ip: .*/  backup_node_ip: \"$second\"/" -e "s/^  virtual_ip: .*/  virtual_ip: \"${virtual%/*}\"/" -e '}' "$config"
  fi

  packages keepalived rsync openssh-client openssh-server iproute2
  if [ -e /etc/keepalived/keepalived.conf ] && ! grep -q powermgr/health /etc/keepalived/keepalived.conf; then
    say "/etc/keepalived/keepalived.conf is somebody's own and stays; take over what is in /etc/keepalived/powermgr.conf"
    keepalived=/etc/keepalived/powermgr.conf
  else
    keepalived=/etc/keepalived/keepalived.conf
  fi
  if [ ! -e "$keepalived" ]; then
    local template=$here/keepalived/keepalived.conf
    [ "$placed" = no ] || template=/usr/share/powermgr/keepalived.conf
    sed -e "s|^\$INTERFACE=.*|\$INTERFACE=$interface|" -e "s|^\$OWN=.*|\$OWN=$own|" -e "s|^\$OTHER=.*|\$OTHER=$other|" \
      -e "s|^\$VIRTUAL=.*|\$VIRTUAL=$virtual|" -e "s|^\$PRIORITY=.*|\$PRIORITY=$priority|" \
      "$template" | write "$keepalived"
  elif ! grep -qsF "\$PRIORITY=$priority" "$keepalived"; then
    say "$keepalived is there already and stays, though it is not that of a $role: remove it, and run this again"
  fi
  if [ "$dry" = no ] && ! problem=$(keepalived -t -f "$keepalived" 2>&1); then
    refuse "keepalived cannot use $keepalived: $problem"
  fi
  if [ ! -e /etc/powermgr/sync.conf ]; then
    printf '# The other node, to which the active one copies its record.\nPEER=%s\n' "$other" | write /etc/powermgr/sync.conf
  fi

  # The other node's copies arrive as this user, by a key that may do nothing
  # else; sshd needs a shell to start even that.
  if [ "$(getent passwd powermgr | cut -d: -f7)" != /bin/sh ]; then
    run usermod --shell /bin/sh powermgr
  fi
  # Two copies a minute are no news for the other node's log, which is on its card.
  if [ -d /etc/ssh/sshd_config.d ] && [ ! -e "$quiet_ssh" ]; then
    printf 'Match User powermgr\n    LogLevel ERROR\n' | write "$quiet_ssh"
    run systemctl try-reload-or-restart ssh.service || true
  fi
  as_daemon install -d -m 700 "$state/.ssh"
  if [ ! -e "$state/.ssh/id_ed25519" ]; then
    as_daemon ssh-keygen -q -t ed25519 -N '' -C "powermgr@$(hostname)" -f "$state/.ssh/id_ed25519"
  fi
  if [ -n "$peer_key" ] && ! grep -qsF "$(cut -d' ' -f1,2 <<<"$peer_key")" "$state/.ssh/authorized_keys"; then
    if [ "$dry" = yes ]; then
      echo "would: add the other node's key to $state/.ssh/authorized_keys"
    else
      printf 'restrict,from="%s",command="/usr/lib/powermgr/sync-receive" %s\n' "$other" "$peer_key" |
        as_daemon sh -c "umask 077; cat >>$state/.ssh/authorized_keys"
    fi
  fi
}

if [ "$role" != single ]; then
  pair
fi

# --- starting ------------------------------------------------------------------------

run systemctl daemon-reload
make_run
for unit in $(units_started); do
  if ! systemctl is-enabled -q "$unit" 2>/dev/null; then
    run systemctl enable "$unit"
  fi
done
run systemctl start mnt-ramdisk.mount powermgr-metrics.timer
if [ "$role" != single ]; then
  run systemctl start powermgr-sync.timer
fi

pair_is_said=yes
if [ "$role" != single ] && [ "$(value ha enabled)" != true ] && [ "$dry" = no ]; then
  pair_is_said=no
  say "$config does not make this node one of a pair, and two nodes alone would both be active: set ha.enabled to true there, and run this again"
fi
if [ "$live" = yes ] && { [ "$dry" = yes ] || ready; }; then
  as_daemon /usr/bin/powermgr live --config "$config"
fi
if [ "$pair_is_said" = yes ] && [ "$dry" = no ] && ready && { [ "$new_config" = no ] || [ "$was_running" = yes ]; }; then
  if [ "$changed" = yes ] && [ "$was_running" = yes ]; then
    run systemctl restart powermgr.service
  else
    run systemctl start powermgr.service
  fi
  say "it runs: powermgr status, and journalctl -u powermgr"
  say_trial
elif [ "$dry" = no ]; then
  say 'installed, and not started. What is left to do:'
  say '  sudo powermgr setup             asks for everything and writes the configuration; or by hand:'
  say "  edit $config, and see what would happen: sudo powermgr check-config $config"
  say '  sudo powermgr auth tesla        if there is a Powerwall'
  say '  sudo powermgr auth honeywell    if there are thermostats'
  say "  run this again, or: sudo systemctl start powermgr"
  say_trial
fi
if [ "$dry" = no ] && [ -f "$kept/powermgr.service" ]; then
  say_forecast
fi
if [ "$role" != single ] && [ "$dry" = no ]; then
  if [ "$keepalived" = /etc/keepalived/keepalived.conf ]; then
    # Without a daemon that is well it takes nothing.
    run systemctl enable --now keepalived.service
  else
    say "keepalived is yours: see that it runs with what is in $keepalived, or no node will be active"
  fi
fi
if [ "$role" != single ] && [ -f "$state/.ssh/id_ed25519.pub" ]; then
  say 'on the other node, so that it takes copies from this one:'
  say "  powermgr-setup $(if [ "$role" = primary ]; then echo backup; else echo primary; fi) --own $other --other $own --virtual $virtual --peer-key '$(setpriv --reuid powermgr --regid powermgr --clear-groups cat "$state/.ssh/id_ed25519.pub")'"
fi
