/**
 * What runs in the guest: its first process, and the command that ends it. Both are scripts for busybox's shell.
 *
 * Every program started costs about two million instructions, so the scripts do with the shell's own commands what they
 * can.
 */

/**
 * /init, process 1. Words on the kernel command line choose what it does:
 *
 * | Word             | Meaning                                                                       |
 * |------------------|-------------------------------------------------------------------------------|
 * | viv.agent        | no shell: do what the agent is told to, until it is told to quit; power off   |
 * | viv.stay         | a login shell on the console beside the agent, both for as long as it is on   |
 * | (none of them)   | a login shell on the console beside the agent; when the shell ends, power off |
 * | viv.columns=N    | initial width of the console, with viv.rows=N its height                      |
 * | viv.term=NAME    | what TERM is for the shell                                                    |
 *
 * And one that systemd knows, too: systemd.mount-extra=WHAT:WHERE:TYPE:OPTIONS, as often as there is something to mount.
 */
export const INIT_SCRIPT = `#!/bin/sh
export PATH=/usr/bin HOME=/root TERM=vt220
umask 022

# busybox's poweroff, reboot and halt ask process 1 by a signal. It is obeyed when the command or the shell has ended.
power=poweroff asked=
trap 'power=poweroff asked=yes' USR2
trap 'power=reboot asked=yes' TERM
trap 'power=halt asked=yes' USR1

mount -t devtmpfs devtmpfs /dev
mkdir /dev/pts /dev/shm
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
mount -a
echo vivarium > /proc/sys/kernel/hostname
# Nothing of the kernel's own is to wake a machine that waits: not the thread that would make large pages before they are
# asked for (twice a second), not counters that are exact enough without being added up every second, and not the upkeep
# of neighbours of a kind that only "ip neigh ... managed" makes.
echo 0 > /proc/sys/vm/compaction_proactiveness
echo 10 > /proc/sys/vm/stat_interval
for version in 4 6; do
  echo 3600000 > "/proc/sys/net/ipv$version/neigh/default/interval_probe_time_ms"
done
ifconfig lo up

# Without virtio_mmio there is no virtio bus; on the bus, each device says by its alias which module it wants.
modprobe virtio_mmio
aliases=
for file in /sys/bus/virtio/devices/*/modalias; do
  [ -e "$file" ] && read -r alias < "$file" && aliases="$aliases $alias"
done
[ -n "$aliases" ] && modprobe -qa $aliases
case $aliases in *:d00000012*) modprobe -q evdev ;; esac

# mount_extra WHAT:WHERE:TYPE:OPTIONS
mount_extra() {
  IFS=:
  set -- $1
  unset IFS
  mkdir -p "$2" && mount -t "$3" -o "$4" "$1" "$2" || echo "init: $1 is not mounted at $2"
}

# Each network device asks for an address. Where nobody answers within two seconds, it goes on asking in the background.
for directory in /sys/class/net/*; do
  interface=\${directory##*/}
  [ "$interface" = lo ] && continue
  ifconfig "$interface" up
  # The driver learns of the cable a moment after it is up.
  carrier=0 tries=20
  while read -r carrier < "$directory/carrier" && [ "$carrier" != 1 ] && [ $tries -gt 0 ]; do
    usleep 10000
    tries=$((tries - 1))
  done
  if [ "$carrier" = 1 ]; then udhcpc -qb -t 2 -T 1 -O mtu -i "$interface"; else udhcpc -q -O mtu -i "$interface" & fi
done > /dev/null 2>&1

mode=interactive columns= rows=
read -r words < /proc/cmdline
set -f
for word in $words; do
  case $word in
    viv.agent) mode=agent ;;
    viv.stay) mode=stay ;;
    viv.columns=*) columns=\${word#*=} ;;
    viv.rows=*) rows=\${word#*=} ;;
    viv.term=*) TERM=\${word#*=} ;;
    systemd.mount-extra=*) mount_extra "\${word#*=}" ;;
  esac
done
set +f
cd /root

# find_port NAME: sets port to the device of that virtio-console port. Ports and their names come up some time after
# the device; false when there is no such port after two seconds.
find_port() {
  tries=1000
  while [ $tries -gt 0 ]; do
    for directory in /sys/class/virtio-ports/*; do
      [ -e "$directory/name" ] && read -r label < "$directory/name" && [ "$label" = "$1" ] || continue
      port=/dev/\${directory##*/}
      return 0
    done
    usleep 2000
    tries=$((tries - 1))
  done
  return 1
}

# Serves programs outside the machine: see guest-agent/protocol.ts. A command may kill the agent, which is then started
# again; it ends with status 0 when it has been told to.
run_agent() {
  find_port viv.agent || return
  until viv-agent <> "$port"; do usleep 10000; done
}

agent_mode() {
  run_agent || echo "init: this machine has no port viv.agent"
  # What is left would keep file systems from being unmounted.
  kill -KILL -1
}

# new_identity ID [OLD/NEW...]: this machine is a copy of another that goes on. Each network device gets an address of its
# own, and where one asked for its network's parameters, it asks again.
new_identity() {
  [ -e /etc/machine-id ] && echo "$1" > /etc/machine-id
  shift
  for pair; do
    for directory in /sys/class/net/*; do
      read -r address < "$directory/address" && [ "$address" = "\${pair%/*}" ] || continue
      interface=\${directory##*/}
      ifconfig "$interface" hw ether "\${pair#*/}"
      # The addresses of IPv6 that are made of it.
      for disabled in 1 0; do echo $disabled > "/proc/sys/net/ipv6/conf/$interface/disable_ipv6"; done
      [ -e "/run/dhcp.$interface" ] || continue
      # In a shell of its own, which leaves it to process 1.
      (keep=yes udhcpc -qb -t 2 -T 1 -O mtu -i "$interface" > /dev/null 2>&1 &)
    done
  done
}

# Tells the terminal of each size that the host announces; the kernel then signals its programs. Sets the clock of a
# machine that was saved for a while, and takes a new identity.
follow_host() {
  find_port viv.control || return
  exec 3<> "$port"
  until read -r word columns rows <&3; do usleep 50000; done
  while :; do
    case $word in
      size) stty columns "$columns" rows "$rows" < "$tty" ;;
      time) date -s "@$columns" > /dev/null ;;
      identity) new_identity $columns $rows ;;
    esac
    read -r word columns rows <&3 || return
  done
}

set_up_terminal() {
  read -r consoles < /sys/class/tty/console/active
  tty=/dev/\${consoles##* }
  [ -n "$columns" ] && [ -n "$rows" ] && stty columns "$columns" rows "$rows" < "$tty"
  follow_host &
}

interactive_mode() {
  set_up_terminal
  cat /etc/motd
  run_agent &
  setsid cttyhack sh -l
}

# A shell on the console for as long as the machine is on. What is started in the background ignores Ctrl-C, and so does
# everything that it starts; but the second setsid, which leads a group already, goes on in a child and comes back.
start_console_shell() {
  rm -f /run/shell
  setsid setsid sh -c 'echo $$ > /run/shell; while :; do setsid cttyhack sh -l; sleep 0.1; done' \\
    < "$tty" > "$tty" 2>&1
  until read -r shell < /run/shell; do usleep 1000; done 2> /dev/null
}

# Only this process survives a command that kills all, so it starts again itself what there is to be. It stays in "wait",
# which a signal ends at once, and not in a command, which it does not.
stay_mode() {
  set_up_terminal
  find_port viv.agent || echo "init: this machine has no port viv.agent"
  shell=none
  while [ -z "$asked" ]; do
    [ -d "/proc/$shell" ] || start_console_shell
    viv-agent <> "$port" &
    wait $!
    usleep 10000
  done
}

\${mode}_mode
exec /usr/bin/$power
`;

/** What udhcpc calls with what it has learnt in its environment: one address, one router, the name servers. */
export const DHCP_SCRIPT = `#!/bin/sh
case $1 in
  deconfig) [ -n "$keep" ] || ifconfig "$interface" 0.0.0.0 ;;
  bound | renew)
    ifconfig "$interface" "$ip" netmask "$subnet" \${broadcast:+broadcast "$broadcast"} \${mtu:+mtu "$mtu"}
    [ -n "$router" ] && route add default gw "\${router%% *}" dev "$interface"
    : > "/run/dhcp.$interface"
    for server in $dns; do echo "nameserver $server"; done > /etc/resolv.conf
    ;;
esac
`;

/**
 * poweroff, reboot and halt, at once and with mounted disks left clean. The shell prefers busybox's own commands of
 * these names, so it must be called by its path.
 */
export const POWER_SCRIPT = `#!/bin/sh
grep -q '^/dev/' /proc/mounts && umount -ar 2> /dev/null
sync
exec busybox "\${0##*/}" -f
`;
