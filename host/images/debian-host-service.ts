/**
 * What of `debian` obeys its host, beside what every Debian has: it runs the host's commands, and learns what a serial
 * line does not tell. All of it is where a Debian leaves room for what is not Debian's.
 */

import { buildAgentProgram } from "../guest-agent/program.js";
import { AGENT_PORT } from "../guest-agent/protocol.js";
import { utf8 } from "../util/bytes.js";
import { PORT_CONTROL } from "./control-port.js";
import type { CpioEntry } from "./cpio.js";

const DIRECTORY = "usr/local/lib/vivarium";
/** Where udev shows the ports of a virtio console by their names. */
const PORTS = "/dev/virtio-ports";

/**
 * Nothing comes after it that a login prompt waits for. Commands of the host may do whatever a login may, so there are no
 * limits; what they have left behind ends with the system.
 */
const SERVICE = `[Unit]
Description=Commands and news from the host
After=multi-user.target

[Service]
ExecStart=/${DIRECTORY}/serve-host
Restart=always
TasksMax=infinity
KillMode=mixed
`;

/** A machine without these ports, such as another hypervisor's, does not start the service. */
const UDEV_RULE = `SUBSYSTEM=="virtio-ports", ATTR{name}=="${AGENT_PORT}", TAG+="systemd", ENV{SYSTEMD_WANTS}+="vivarium.service"
`;

/**
 * The service. What comes on the control port is in `control-port.ts`. The machine-id stays: the journal goes by it, and
 * a machine takes a new identity each time it is opened. DHCP servers tell machines apart by their network addresses.
 *
 * A machine that is only there for one command has the word viv.agent on its command line: when the agent has been told
 * that this was all, the system is shut down. Such a command has the network from its start.
 */
export const SERVE_HOST = `#!/bin/sh
# Obeys the host of this machine.

# new_identity ID [OLD/NEW...]: this machine may be a copy of another that goes on. Each network device gets an address of
# its own, and asks for its network's parameters again.
new_identity() {
  shift
  for pair; do
    for directory in /sys/class/net/*; do
      read -r address < "$directory/address" && [ "$address" = "\${pair%/*}" ] || continue
      ip link set dev "\${directory##*/}" address "\${pair#*/}"
      networkctl reconfigure "\${directory##*/}"
    done
  done
}

follow_host() {
  exec 3<> ${PORTS}/${PORT_CONTROL} || return
  while :; do
    if read -r word first rest <&3; then
      case $word in
        size) stty columns "$first" rows "$rest" < /dev/ttyS0 ;;
        time) date -s "@$first" > /dev/null ;;
        identity) new_identity "$first" $rest ;;
      esac
    else
      sleep 1
    fi
  done
}

is_for_one_command() {
  read -r words < /proc/cmdline
  case " $words " in *" viv.agent "*) return 0 ;; esac
  return 1
}

[ -e ${PORTS}/${PORT_CONTROL} ] && follow_host &
if is_for_one_command; then
  grep -qs 1 /sys/class/net/e*/carrier && /usr/lib/systemd/systemd-networkd-wait-online --any --timeout=5
  until /${DIRECTORY}/agent <> ${PORTS}/${AGENT_PORT}; do sleep 1; done
  exec systemctl --no-block poweroff
fi
while :; do
  /${DIRECTORY}/agent <> ${PORTS}/${AGENT_PORT}
  sleep 1
done
`;

/** Files of the new system. */
export function hostServiceFiles(): readonly CpioEntry[] {
  return [
    ...["usr", "usr/local", "usr/local/lib", DIRECTORY].map(directory),
    ...["etc/udev", "etc/udev/rules.d", "etc/systemd/system"].map(directory),
    { kind: "file", path: `${DIRECTORY}/agent`, mode: 0o755, content: buildAgentProgram() },
    file(`${DIRECTORY}/serve-host`, 0o755, SERVE_HOST),
    file("etc/udev/rules.d/90-vivarium.rules", 0o644, UDEV_RULE),
    file("etc/systemd/system/vivarium.service", 0o644, SERVICE),
  ];
}

function directory(path: string): CpioEntry {
  return { kind: "directory", path, mode: 0o755 };
}

function file(path: string, mode: number, text: string): CpioEntry {
  return { kind: "file", path, mode, content: utf8(text) };
}
