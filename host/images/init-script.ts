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
 * | viv.exec         | run one command over the ports of `exec-protocol.ts`, then power off          |
 * | (no viv.exec)    | a login shell on the console, then power off                                  |
 * | viv.columns=N    | initial width of the console, with viv.rows=N its height                      |
 * | viv.term=NAME    | what TERM is for the shell                                                    |
 *
 * And one that systemd knows, too: systemd.mount-extra=WHAT:WHERE:TYPE:OPTIONS, as often as there is something to mount.
 */
export const INIT_SCRIPT = `#!/bin/sh
export PATH=/usr/bin HOME=/root TERM=vt220
umask 022

# busybox's poweroff, reboot and halt ask process 1 by a signal. It is obeyed when the command or the shell has ended.
power=poweroff
trap 'power=poweroff' USR2
trap 'power=reboot' TERM
trap 'power=halt' USR1

mount -t devtmpfs devtmpfs /dev
mkdir /dev/pts /dev/shm
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
mount -a
echo vivarium > /proc/sys/kernel/hostname
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
  read -r carrier < "$directory/carrier"
  if [ "$carrier" = 1 ]; then udhcpc -qb -t 2 -T 1 -O mtu -i "$interface"; else udhcpc -q -O mtu -i "$interface" & fi
done > /dev/null 2>&1

mode=interactive columns= rows=
read -r words < /proc/cmdline
set -f
for word in $words; do
  case $word in
    viv.exec) mode=exec ;;
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

# The command itself, in a process of its own whose standard input is the relay's pipe.
run_command() {
  # "time" tells death by a signal from a status above 128. "setsid" keeps the relays out of reach of "kill 0".
  time -f "" -o /run/ended setsid sh -c "$command" > /run/stdout 2> /run/stderr 3>&-
  status="exit $?"
  read -r word ended by kind number < /run/ended
  [ "$ended" = terminated ] && status="signal $number"
  echo "$status" > /run/status

  # What is left of the command would keep the relays of its output waiting, and that of its input waits for the host.
  # Kernel threads have no executable.
  read -r self word < /proc/self/stat
  while :; do
    left=
    for directory in /proc/[0-9]*; do
      process=\${directory#/proc/}
      case $process in
        1 | "$self" | "$out" | "$err") ;;
        *) [ -e "$directory/exe" ] && left="$left $process" ;;
      esac
    done
    [ -z "$left" ] && return
    kill -KILL $left
    usleep 1000
  done 2> /dev/null
}

exec_mode() {
  for name in stdin stdout stderr control; do
    find_port viv.$name || { echo "init: this machine has no port viv.$name"; return; }
    eval "$name=\\$port"
  done

  # Reading gives nothing until the host has opened the port.
  exec 3<> "$control"
  until read -r length <&3 && [ -n "$length" ]; do usleep 2000; done
  command=$(head -c "$length" <&3)

  # A port can be opened once only, so a command that opens /dev/stdin or /dev/stderr needs pipes there. Opening a named
  # one waits for its other end: always there for output, but input may have ended.
  mkfifo /run/stdout /run/stderr
  cat < /run/stdout > "$stdout" 3>&- & out=$!
  cat < /run/stderr > "$stderr" 3>&- & err=$!
  cat < "$stdin" 3>&- | run_command
  wait $out $err
  read -r status < /run/status
  echo "$status" >&3
  # Until the host has everything and closes the port.
  while read -r word <&3; do :; done
}

# Tells the terminal of each size that the host announces; the kernel then signals its programs.
follow_terminal_size() {
  find_port viv.control || return
  exec 3<> "$port"
  until read -r word columns rows <&3; do usleep 50000; done
  while :; do
    [ "$word" = size ] && stty columns "$columns" rows "$rows" < "$tty"
    read -r word columns rows <&3 || return
  done
}

interactive_mode() {
  read -r consoles < /sys/class/tty/console/active
  tty=/dev/\${consoles##* }
  [ -n "$columns" ] && [ -n "$rows" ] && stty columns "$columns" rows "$rows" < "$tty"
  follow_terminal_size &
  cat /etc/motd
  setsid cttyhack sh -l
}

\${mode}_mode
exec /usr/bin/$power
`;

/** What udhcpc calls with what it has learnt in its environment: one address, one router, the name servers. */
export const DHCP_SCRIPT = `#!/bin/sh
case $1 in
  deconfig) ifconfig "$interface" 0.0.0.0 ;;
  bound | renew)
    ifconfig "$interface" "$ip" netmask "$subnet" \${broadcast:+broadcast "$broadcast"} \${mtu:+mtu "$mtu"}
    [ -n "$router" ] && route add default gw "\${router%% *}" dev "$interface"
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
