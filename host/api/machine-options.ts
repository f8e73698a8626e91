import { MAX_HARTS } from "../../assembly/shared/layout.js";
import type { TranslationMode } from "../core/core.js";
import type { InputKind } from "../devices/virtio/input.js";
import { AGENT_PORT } from "../guest-agent/protocol.js";
import { QEMU_AGENT_PORT } from "../guest-agent/qemu-guest-agent.js";
import { checkWords } from "../images/command-line.js";
import { PORT_CONTROL } from "../images/control-port.js";
import type { ImageProgress } from "../images/image.js";
import { DEBIAN_MINI } from "../images/image-names.js";
import { VivariumError } from "../util/errors.js";
import { badOption, checkList, checkOptions, checkSource, checkText, type OptionNames } from "./arguments.js";
import {
  balloonByteLengthOf,
  checkInputs,
  type ShareOptions,
  type SocketOptions,
  shareSetupsOf,
  socketSetupsOf,
} from "./device-options.js";
import type { DriveSetup, GuestSetup, MachineSetup, Source } from "./messages.js";
import { type NetworkOptions, networkSetupOf } from "./network-options.js";

/** A disk of a machine: a raw image whose length is a multiple of 512. */
export interface DriveOptions {
  /** A file by what the platform calls it (a path in Node, a URL in a browser), or the content. */
  readonly source: Source;
  readonly readOnly?: boolean;
  /**
   * Whether what the guest writes stays with the machine: the file is never written, and snapshots and forks have the
   * disk in them. Content that was given as bytes always stays with the machine.
   */
  readonly overlay?: boolean;
  /** What the guest reads as the disk's serial number, at most 20 bytes; `disk0`, `disk1` and so on unless given. */
  readonly serial?: string;
}

/** What a machine is made of. Files are named as the platform names them, or given as bytes. */
export interface MachineOptions {
  /** A guest image: `debian-mini`, or the directory of one. The default if nothing else is to be started. */
  readonly image?: string;
  /** More words for an image's kernel. */
  readonly append?: string;
  /** A kernel (Linux Image or ELF for riscv64), started in S-mode. */
  readonly kernel?: Source;
  /** An initial RAM disk for `kernel`. */
  readonly initrd?: Source;
  /** What `kernel` is told. */
  readonly commandLine?: string;
  /** A firmware (OpenSBI, U-Boot), started in M-mode, with `kernel` or `image` above it or alone. */
  readonly firmware?: Source;
  /** A program started in M-mode with nothing below it. */
  readonly program?: Source;
  /** 512 unless given. */
  readonly memoryMiB?: number;
  /** Processors, 1 to 8; 1 unless given. */
  readonly harts?: number;
  /** `virtual`: guest time counts instructions; `host`, the default: it follows the host's. */
  readonly clock?: "host" | "virtual";
  /** What the drivers of virtio devices find: `modern` unless given; `legacy`, version 1, is for systems that know no other. */
  readonly virtio?: "modern" | "legacy";
  /** At most 6. */
  readonly drives?: readonly (Source | DriveOptions)[];
  /** Network devices, at most 4: what they are plugged into. */
  readonly networks?: readonly NetworkOptions[];
  /** Folders for the guest to mount, at most 6. */
  readonly shares?: readonly ShareOptions[];
  /** Sockets between the guest and the host (vsock); at most 2, of which Linux uses one. */
  readonly sockets?: readonly SocketOptions[];
  /** A balloon, and what it takes of the guest's memory at first, a multiple of 4096. */
  readonly balloon?: boolean | { readonly byteLength: number };
  /** Keyboards and tablets, at most 4. */
  readonly inputs?: readonly InputKind[];
  /** Whether the guest's code is translated to WebAssembly: `on` unless given. What the guest sees is the same. */
  readonly translate?: TranslationMode;
  /**
   * Who serves `exec`, `files` and `shutdown` in the guest: Vivarium's own agent, which its images have, or `qemu`, the
   * guest agent of full distributions (`qemu-ga`), which has neither `spawn` nor most of `files`.
   */
  readonly agent?: "vivarium" | "qemu";
  /** A new machine file, in which the machine's history is recorded, to be run again; `save` then saves to it, too. */
  readonly record?: string;
  /** Whether it is switched on at once, which is usual. */
  readonly start?: boolean;
  /** Ends the machine, made or not, with VivariumError `machine/closed`; `create` rejects with its reason. */
  readonly signal?: AbortSignal;
  /** Called while an image is made or fetched, never when it is there already. */
  readonly onProgress?: (progress: ImageProgress) => void;
}

const NAMES: OptionNames<MachineOptions> = {
  image: true,
  append: true,
  kernel: true,
  initrd: true,
  commandLine: true,
  firmware: true,
  program: true,
  memoryMiB: true,
  harts: true,
  clock: true,
  virtio: true,
  drives: true,
  networks: true,
  shares: true,
  sockets: true,
  balloon: true,
  inputs: true,
  translate: true,
  agent: true,
  record: true,
  start: true,
  signal: true,
  onProgress: true,
};
const DRIVE_NAMES: OptionNames<DriveOptions> = { source: true, readOnly: true, overlay: true, serial: true };

const MEMORY_MIB = 512;
const MIB = 1024 * 1024;
/** Memory comes in pages of 4 KiB. */
const PAGES_PER_MIB = 256;

/**
 * @param randomBytes fills its argument with unpredictable bytes
 * @throws VivariumError `option/invalid` naming the option, what it was given and what it accepts
 */
export function setupOf(options: MachineOptions, randomBytes: (into: Uint8Array) => void): MachineSetup {
  checkOptions("create", options, NAMES);
  const {
    memoryMiB = MEMORY_MIB,
    harts = 1,
    clock = "host",
    virtio = "modern",
    drives = [],
    agent = "vivarium",
  } = options;
  if (typeof memoryMiB !== "number" || !(memoryMiB > 0) || !Number.isInteger(memoryMiB * PAGES_PER_MIB)) {
    throw badOption("memoryMiB", memoryMiB, "a number of MiB above 0, a multiple of 1/256");
  }
  if (!Number.isInteger(harts) || harts < 1 || harts > MAX_HARTS) throw badOption("harts", harts, `1 to ${MAX_HARTS}`);
  if (clock !== "host" && clock !== "virtual") throw badOption("clock", clock, '"host" or "virtual"');
  if (virtio !== "modern" && virtio !== "legacy") throw badOption("virtio", virtio, '"modern" or "legacy"');
  if (agent !== "vivarium" && agent !== "qemu") throw badOption("agent", agent, '"vivarium" or "qemu"');
  return {
    guest: guestOf(options),
    memoryByteLength: memoryMiB * MIB,
    hartCount: harts,
    clock,
    virtio,
    drives: checkList("drives", drives).map(driveOf),
    ports: [PORT_CONTROL, AGENT_PORT, ...(agent === "qemu" ? [QEMU_AGENT_PORT] : [])],
    networks: checkList("networks", options.networks ?? []).map((network) => networkSetupOf(network, randomBytes)),
    shares: shareSetupsOf(checkList("shares", options.shares ?? [])),
    sockets: socketSetupsOf(checkList("sockets", options.sockets ?? [])),
    balloonByteLength: balloonByteLengthOf(options.balloon ?? false),
    inputs: checkInputs(checkList("inputs", options.inputs ?? [])),
    translate: checkTranslate(options.translate ?? "on"),
  };
}

/** @throws VivariumError `option/invalid` */
export function checkTranslate(mode: TranslationMode): TranslationMode {
  if (mode !== "on" && mode !== "off" && mode !== "eager") throw badOption("translate", mode, '"on", "off" or "eager"');
  return mode;
}

function guestOf(options: MachineOptions): GuestSetup {
  for (const name of ["image", "append", "commandLine"] as const) {
    if (options[name] !== undefined) checkText(name, options[name]);
  }
  for (const name of ["append", "commandLine"] as const) checkWords(name, options[name] ?? "");
  for (const name of ["kernel", "initrd", "firmware", "program"] as const) checkSource(name, options[name]);
  const { image, kernel, initrd, firmware, program, append = "", commandLine = "" } = options;
  const given = (names: readonly (keyof MachineOptions)[]) => names.filter((name) => options[name] !== undefined);
  const refuse = (name: string, others: readonly string[]) => {
    if (others.length === 0) return;
    throw new VivariumError("option/invalid", `${name} and ${others[0]} exclude each other`, { option: others[0]! });
  };
  if (program !== undefined) {
    refuse("program", given(["image", "kernel", "initrd", "firmware", "commandLine", "append"]));
    return { kind: "bare", program };
  }
  if (kernel !== undefined) {
    refuse("kernel", given(["image", "append"]));
    const rest = initrd === undefined ? { commandLine } : { initrd, commandLine };
    if (firmware === undefined) return { kind: "linux", kernel, ...rest };
    return { kind: "firmware", firmware, kernel, ...rest };
  }
  refuse("no kernel", given(["initrd", "commandLine"]));
  if (firmware !== undefined && image === undefined) return { kind: "firmware", firmware, commandLine: "" };
  const name = image ?? DEBIAN_MINI;
  return firmware === undefined ? { kind: "image", name, append } : { kind: "image", name, append, firmware };
}

function driveOf(drive: Source | DriveOptions, index: number): DriveSetup {
  const name = `disk${index}`;
  const isPlain = typeof drive === "string" || drive instanceof Uint8Array;
  const options: DriveOptions = isPlain ? { source: drive } : checkOptions(name, drive, DRIVE_NAMES);
  const { source, readOnly = false, overlay = false, serial = name } = options;
  if (source === undefined) throw badOption(name, source, "a source");
  checkSource(name, source);
  return { source, readOnly, overlay: overlay || typeof source !== "string", serial };
}
