# What setup.sh and the scripts of the Debian package share: the service user,
# the folders, the first configuration, and taking over from Power Manager v2.0.
# POSIX sh, made to be read in (or put in front of a script); it does nothing by
# itself. With dry=yes everything is said and nothing is done.
# shellcheck shell=sh

config=/opt/powermgr/config.yaml
state=/var/lib/powermgr
example=/usr/share/powermgr/config.example.yaml
# What v2.0 left behind that is not needed any more: its unit, drop-ins, timers.
# Not below $state: root reads it again, and that folder is the daemon's.
kept=/etc/powermgr/v2
# What keeps the other node's copies out of the log of sshd.
quiet_ssh=/etc/ssh/sshd_config.d/powermgr.conf
: "${dry:=no}"

say() { printf 'powermgr: %s\n' "$*"; }

# run does a command, or says what it would be.
run() {
  if [ "$dry" = yes ]; then
    printf 'would: %s\n' "$*"
  else
    "$@"
  fi
}

# as_daemon does a command as the service's user: what root does in a folder of
# that user, a link there could turn on any other file.
as_daemon() { run setpriv --reuid powermgr --regid powermgr --clear-groups "$@"; }

# booted tells whether systemd runs here; it does not in a chroot or a container.
booted() { [ -d /run/systemd/system ]; }

# units_started are the units that start by themselves.
units_started() { echo powermgr.service mnt-ramdisk.mount powermgr-metrics.timer powermgr-sync.timer; }

# make_run makes what keepalived watches; at each boot systemd does.
make_run() {
  if booted; then
    run systemd-tmpfiles --create powermgr.conf || true
  fi
}

# leave_pair is for a node that is to have no daemon any more: keepalived takes a
# health file that is gone for a good one, and would keep the pair's address.
leave_pair() {
  if ! grep -qs powermgr/health /etc/keepalived/keepalived.conf; then
    return 0
  fi
  if booted; then
    run systemctl disable --now keepalived.service >/dev/null 2>&1 || true
  fi
  if [ "$(getent passwd powermgr | cut -d: -f7)" = /bin/sh ]; then
    run usermod --shell /usr/sbin/nologin powermgr || true
  fi
  run rm -f "$quiet_ssh"
  say 'keepalived is stopped and disabled, and the other node can copy nothing here any more; /etc/keepalived/keepalived.conf goes with a purge'
}

# --- the user and the folders -------------------------------------------------

make_user() {
  if ! getent group powermgr >/dev/null; then
    run groupadd --system powermgr
  fi
  if ! getent passwd powermgr >/dev/null; then
    run useradd --system --gid powermgr --home-dir "$state" --no-create-home \
      --shell /usr/sbin/nologin --comment 'powermgr daemon' powermgr
  elif [ "$(getent passwd powermgr | cut -d: -f6)" != "$state" ]; then
    # The other node's copies arrive by ssh, which looks for its key there.
    run usermod --home "$state" powermgr || say "the user powermgr has another home than $state: copies for the other node of a pair will not arrive"
  fi
}

make_folders() {
  run install -d -m 755 /opt/powermgr
  run install -d -m 755 /etc/powermgr
  # One file for each secret, by the key's name, such as mqtt.password.
  run install -d -m 700 /etc/powermgr/credentials
  run install -d -m 750 -o powermgr -g powermgr "$state" /var/log/powermgr
  # v2.0 wrote its records there as another user.
  run chown -R powermgr:powermgr "$state" /var/log/powermgr
}

# first_config puts the example there, which begins in dry run, unless there is
# a configuration; that one keeps every byte.
first_config() {
  if [ -e "$config" ] || [ -L "$config" ]; then
    return 0
  fi
  run install -m 640 -o root -g powermgr "$example" "$config"
}

# private_config lets the daemon read the configuration and nobody else.
private_config() {
  if [ -f "$config" ] || [ "$dry" = yes ]; then
    run chown root:powermgr "$config"
    run chmod 640 "$config"
  fi
}

# ready tells whether the configuration is somebody's own and can be used.
ready() {
  [ -f "$config" ] && ! cmp -s "$config" "$example" && /usr/bin/powermgr check-config "$config" >/dev/null 2>&1
}

# restore_first has the daemon restore the battery and the thermostats before it
# goes for good, or says what it could not: nobody is there any more to do it.
restore_first() {
  if [ "$dry" = yes ]; then
    say 'would restore what powermgr has set'
  elif [ -x /usr/bin/powermgr ] && ! said=$(/usr/bin/powermgr restore --config "$config" 2>&1); then
    say "$said"
    say 'look at the battery in the Tesla app and at the thermostats, and set them as you want them'
  fi
}

# say_trial says how a configuration begins to command devices.
say_trial() {
  first=$(dirname "$(journal)")/first-run
  if [ "$(value settings dry_run)" = true ]; then
    say 'it is a dry run: nothing is sent to a device. To end it: sudo powermgr live'
  elif grep -qs '^dry run' "$first" || { [ ! -e "$first" ] && [ ! -e "$(journal)" ]; }; then
    say 'a configuration that is new on this machine begins as a dry run: nothing is sent to a device. When powermgr status'
    say 'shows what you expect, let it command devices: sudo powermgr live'
  fi
}

# journal is where the daemon keeps what it has to restore.
journal() {
  file=$(value paths journal_file)
  echo "${file:-$state/journal.json}"
}

# say_forecast says what ends with Power Manager v2.0, which precooled without
# a forecast.
say_forecast() {
  if [ -z "$(value weather latitude)" ]; then
    say "precooling ends here: it needs a forecast now. Give weather.latitude and weather.longitude in $config, or a number to"
    say 'powermgr/weather/forecast_high/set every day; without that nothing is precooled'
  fi
}

# value SECTION KEY prints a plain value of the configuration: good enough for
# a path, an address and a switch, and empty for everything else.
value() {
  [ -f "$config" ] || return 0
  awk -v section="$1" -v key="$2" '
    /^[A-Za-z_]+:/ { inside = ($0 ~ "^" section ":") ; next }
    inside && $0 ~ "^[ \t]+" key ":" {
      sub("^[ \t]+" key ":[ \t]*", "")
      if ($0 ~ /^"/) { sub(/^"/, ""); sub(/".*/, "") }
      else if ($0 ~ /^\047/) { sub(/^\047/, ""); sub(/\047.*/, "") }
      else { sub(/[ \t]+#.*$/, ""); sub(/^#.*$/, ""); sub(/[ \t\r]+$/, "") }
      print; exit
    }' "$config"
}

# forget removes what is somebody's own, and the user: for a purge.
forget() {
  token=$(value tesla token_file)
  case "$token" in
  '' | */../*) ;;
  /opt/powermgr/*) run rm -f "$token" ;;
  /*) ;;
  *) run rm -f "/opt/powermgr/$token" ;;
  esac
  # The second is what powermgr setup has replaced, the third what an interview that was
  # never finished has kept: it may have passwords in it.
  run rm -f "$config" "$config.old" "$config.answers"
  # Other files there belong to the owner.
  if [ -d /opt/powermgr ]; then
    run rmdir --ignore-fail-on-non-empty /opt/powermgr
  fi
  run rm -rf "$state" /var/log/powermgr /run/powermgr /etc/powermgr
  if grep -qs powermgr/health /etc/keepalived/keepalived.conf; then
    run rm -f /etc/keepalived/keepalived.conf
  fi
  run rm -f /etc/systemd/system/powermgr.service.d/token.conf /var/lib/systemd/timers/stamp-powermgr-metrics.timer
  if [ -d /etc/systemd/system/powermgr.service.d ]; then
    run rmdir --ignore-fail-on-non-empty /etc/systemd/system/powermgr.service.d
  fi
  if [ -d /mnt/ramdisk ] && ! grep -q ' /mnt/ramdisk ' /proc/mounts; then
    run rmdir --ignore-fail-on-non-empty /mnt/ramdisk
  fi
  if getent passwd powermgr >/dev/null; then
    run userdel powermgr >/dev/null 2>&1 || true
  fi
  if getent group powermgr >/dev/null; then
    run groupdel powermgr >/dev/null 2>&1 || true
  fi
}

# --- Power Manager v2.0 ---------------------------------------------------------

# unit_files are all the places of a unit, the one that wins first.
unit_files() {
  for folder in /etc/systemd/system /usr/local/lib/systemd/system /usr/lib/systemd/system /lib/systemd/system; do
    if [ -f "$folder/$1" ]; then
      echo "$folder/$1"
    fi
  done
}

# foreign tells whether a unit starts something else than our files, as v2.0's
# Python service of the same name does.
foreign() {
  grep -q '^ExecStart=' "$1" && ! grep -Eq '^ExecStart=[-@:+!]*(/usr/bin/powermgr|/usr/lib/powermgr/[a-z-]+)( |$)' "$1"
}

# v2_services are units of other names that run something of v2.0.
v2_services() {
  for file in /etc/systemd/system/*.service; do
    if [ -f "$file" ] && grep -Eq '^ExecStart=.*(python.*/opt/powermgr/|/opt/powermgr/[^ ]*(python|\.py))' "$file"; then
      basename "$file"
    fi
  done
}

# stop_v2 ends Power Manager v2.0 and keeps it from coming back: its unit, timers
# and drop-ins are kept aside in /etc/powermgr/v2, lines of crontabs are
# put out of use, processes are ended. Configuration and token file stay.
stop_v2() {
  found=no
  for unit in powermgr.service powermgr-metrics.service powermgr-sync.service $(v2_services); do
    for file in $(unit_files "$unit"); do
      if ! foreign "$file"; then
        continue
      fi
      if [ "$unit" = powermgr.service ]; then
        found=yes
      fi
      say "$file is not from powermgr: it is stopped, and kept in $kept"
      if booted; then
        run systemctl stop "$unit" "${unit%.service}.timer" 2>/dev/null || true
      fi
      run systemctl disable "$unit" >/dev/null 2>&1 || true
      run mkdir -p "$kept"
      if [ -f "${file%.service}.timer" ]; then
        run systemctl disable "${unit%.service}.timer" >/dev/null 2>&1 || true
        run mv -f "${file%.service}.timer" "$kept/"
      fi
      run mv -f "$file" "$kept/"
      if [ -d "/etc/systemd/system/$unit.d" ]; then
        run rm -rf "${kept:?}/$unit.d"
        run mv -f "/etc/systemd/system/$unit.d" "$kept/"
      fi
      # What disable cannot do without a running systemd.
      for link in /etc/systemd/system/*.wants/"$unit"; do
        if [ -L "$link" ]; then
          run rm -f "$link"
        fi
      done
    done
  done
  stop_crontabs
  stop_processes
  if [ "$found" = no ]; then
    return 0
  fi
  if booted; then
    run systemctl daemon-reload || true
    run systemctl reset-failed powermgr.service 2>/dev/null || true
  fi
  # v2.0's state has another form, and another owner.
  run rm -f /mnt/ramdisk/powermgr_state.json
}

# v2_script is how a command line of v2.0 is known: Python, and a file below
# /opt/powermgr.
v2_script='python[0-9.]*( |.* )/opt/powermgr/|^([^ ]* )?/opt/powermgr/[^ ]*(python[0-9.]*|\.py)( |$)'

stop_crontabs() {
  for file in /etc/crontab /etc/cron.d/* /var/spool/cron/crontabs/*; do
    if [ -f "$file" ] && grep -Eq '^[^#].*(/opt/powermgr/[^ ]*\.py|python.*/opt/powermgr/)' "$file"; then
      say "$file starts Power Manager v2.0: these lines are put out of use"
      run sed -i -E '/^[^#].*(\/opt\/powermgr\/[^ ]*\.py|python.*\/opt\/powermgr\/)/s/^/# taken over by powermgr: /' "$file"
    fi
  done
}

# old_processes prints the ids of what still runs of v2.0.
old_processes() {
  for folder in /proc/[0-9]*; do
    line=$(tr '\0' ' ' <"$folder/cmdline" 2>/dev/null) || continue
    case "$line" in
    *python*) ;;
    *) continue ;;
    esac
    # Started there by a relative path, as by a unit with a WorkingDirectory.
    if [ "$(readlink "$folder/cwd" 2>/dev/null)" = /opt/powermgr ] || printf '%s' "$line" | grep -Eq "$v2_script"; then
      echo "${folder#/proc/}"
    fi
  done
}

stop_processes() {
  pids=$(old_processes)
  if [ -z "$pids" ]; then
    return 0
  fi
  # shellcheck disable=SC2086 # several ids
  say 'still running of Power Manager v2.0, and ended now: process' $pids
  # shellcheck disable=SC2086
  run kill $pids 2>/dev/null || true
  if [ "$dry" = yes ]; then
    return 0
  fi
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    pids=$(old_processes)
    if [ -z "$pids" ]; then
      return 0
    fi
    sleep 0.5
  done
  # shellcheck disable=SC2086
  kill -9 $pids 2>/dev/null || true
}

# adopt_v2 makes the token file that the configuration names the daemon's own:
# a refresh token changes when it is used, so reading it is not enough.
adopt_v2() {
  token=$(value tesla token_file)
  if [ -z "$token" ]; then
    return 0
  fi
  old=$token
  case "$token" in
  "$state"/*) return 0 ;;
  /*) ;;
  *)
    # The daemon takes it from the configuration's folder, v2.0 took it from its
    # working directory.
    token=/opt/powermgr/$token
    work=
    if [ -f "$kept/powermgr.service" ]; then
      work=$(sed -n 's/^WorkingDirectory=-\{0,1\}//p' "$kept/powermgr.service" | tail -n 1)
    fi
    if [ ! -e "$token" ] && [ -n "$work" ] && [ -f "$work/$old" ] && [ ! -L "$work/$old" ]; then
      run install -D -m 600 "$work/$old" "$token"
    fi
    ;;
  esac
  case "$token" in
  /opt/powermgr/*)
    # The daemon may replace its own files there, and no others.
    if [ -L "$token" ] || [ -L "$(dirname "$token")" ]; then
      say "$token is a link: it stays as it is; the file has to belong to powermgr"
      return 0
    fi
    run chgrp powermgr "$(dirname "$token")"
    run chmod 1775 "$(dirname "$token")"
    ;;
  *)
    # The daemon cannot write there, nor, in a home, read.
    if [ -f "$token" ] && [ ! -e "$state/tesla_token.json" ]; then
      run install -m 600 -o powermgr -g powermgr "$token" "$state/tesla_token.json"
    fi
    if [ -e "$state/tesla_token.json" ] && [ ! -e /etc/systemd/system/powermgr.service.d/token.conf ]; then
      run install -d /etc/systemd/system/powermgr.service.d
      if [ "$dry" = no ]; then
        printf '# %s is out of reach for the service; this is its copy.\n[Service]\nEnvironment=POWERMGR_TESLA__TOKEN_FILE=%s/tesla_token.json\n' \
          "$token" "$state" >/etc/systemd/system/powermgr.service.d/token.conf
      fi
      say "$token is copied to $state/tesla_token.json, which the service uses; set tesla.token_file to it when you edit $config"
    fi
    return 0
    ;;
  esac
  if [ -f "$token" ]; then
    run chown -h powermgr:powermgr "$token"
    as_daemon chmod 600 "$token"
  fi
}
