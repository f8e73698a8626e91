import { spawnSync } from "node:child_process";

/** A guest as every system is given it. */
export interface GuestFiles {
  readonly kernel: string;
  readonly initrd: string;
  readonly commandLine: string;
  readonly memoryMiB: number;
  /** Whether the guest has a network device behind the system's NAT. */
  readonly network?: boolean;
  /** One end of a cable between two guests, a Unix socket: the end that listens is started first. */
  readonly cable?: { readonly path: string; readonly isListening: boolean };
  /** A raw disk that the guest may write to. */
  readonly disk?: string;
  /** A directory that the guest mounts by the tag "bench". */
  readonly share?: string;
}

/** Another machine emulator, installed here. */
export interface Peer {
  readonly system: string;
  readonly version: string;
  readonly program: string;
  arguments(guest: GuestFiles): readonly string[];
}

/** How to get a peer that is not here. */
export interface AbsentPeer {
  readonly system: string;
  readonly install: string;
}

interface PeerKind {
  readonly system: string;
  readonly program: string;
  /** In the output of `--version`. */
  readonly version: RegExp;
  readonly install: string;
  arguments(guest: GuestFiles): readonly string[];
}

/** Everything that guests can be run on beside Vivarium, with the same board, kernel, initrd and command line. */
const PEER_KINDS: readonly PeerKind[] = [
  {
    system: "qemu",
    program: "qemu-system-riscv64",
    version: /version (\S+)/,
    install: "qemu-system-riscv64 is not installed; on Debian, apt install qemu-system-misc opensbi",
    arguments: ({ kernel, initrd, commandLine, memoryMiB, network, cable, disk, share }) => [
      ...["-machine", "virt", "-accel", "tcg", "-m", `${memoryMiB}M`, "-nographic", "-no-reboot"],
      ...["-kernel", kernel, "-initrd", initrd, "-append", commandLine],
      ...(network === true ? ["-netdev", "user,id=net", "-device", "virtio-net-device,netdev=net"] : []),
      ...(cable === undefined ? [] : cableArguments(cable.path, cable.isListening)),
      ...(disk === undefined ? [] : ["-drive", `file=${disk},format=raw,if=none,id=disk`]),
      ...(disk === undefined ? [] : ["-device", "virtio-blk-device,drive=disk"]),
      ...(share === undefined ? [] : ["-fsdev", `local,id=share,path=${share},security_model=none`]),
      ...(share === undefined ? [] : ["-device", "virtio-9p-device,fsdev=share,mount_tag=bench"]),
      ...["-global", "virtio-mmio.force-legacy=false"],
    ],
  },
];

function cableArguments(path: string, isListening: boolean): readonly string[] {
  const stream = `stream,id=cable,server=${isListening ? "on" : "off"},addr.type=unix,addr.path=${path}`;
  return ["-netdev", stream, "-device", `virtio-net-device,netdev=cable,mac=${cableMac(isListening)}`];
}

/** The address of the network device at an end of a cable. */
export function cableMac(isListening: boolean): string {
  return isListening ? "52:54:00:00:00:01" : "52:54:00:00:00:02";
}

/** Looks which peers are installed. */
export function findPeers(): { readonly present: readonly Peer[]; readonly absent: readonly AbsentPeer[] } {
  const present: Peer[] = [];
  const absent: AbsentPeer[] = [];
  for (const { version, install, ...kind } of PEER_KINDS) {
    const { stdout } = spawnSync(kind.program, ["--version"], { encoding: "utf8" });
    const found = version.exec(stdout ?? "");
    if (found === null) absent.push({ system: kind.system, install });
    else present.push({ ...kind, version: `${kind.program} ${found[1]}` });
  }
  return { present, absent };
}
