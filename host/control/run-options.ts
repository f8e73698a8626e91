import { MAX_HARTS, MAX_RAM_BYTE_LENGTH } from "../../assembly/shared/layout.js";
import { DEFAULT_TRANSLATION_BYTE_LENGTH } from "../core/region-linker.js";
import { checkWords } from "../images/command-line.js";
import { VivariumError } from "../util/errors.js";
import type {
  ClockChoice,
  DriveRequest,
  GuestSource,
  MachineAction,
  MachineRequest,
  TranslationMode,
  VirtioChoice,
} from "./actions.js";
import { formatByteLength, KIB, MIB, parseByteLength } from "./byte-length.js";
import { readBalloon, readInputs, readSocket } from "./device-options.js";
import { readDrive } from "./drive-options.js";
import { readKeep } from "./keep-options.js";
import { readNetworks, readSharedRate } from "./network-options.js";
import { mountWords, type ParsedShare, readShares } from "./share-option.js";

/** What `viv run` was given, each option as it was written. */
export interface RunOptions {
  readonly image?: string;
  readonly exec?: string;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly bios?: string;
  readonly bare?: string;
  readonly memory?: string;
  readonly harts?: string;
  readonly drive?: readonly string[];
  readonly share?: readonly string[];
  readonly vsock?: string;
  readonly balloon?: string | true;
  readonly input?: readonly string[];
  readonly disk?: string;
  readonly net?: readonly string[];
  readonly netRate?: string;
  readonly limits?: string;
  readonly pcap?: string;
  readonly clock?: string;
  readonly virtio?: string;
  readonly translate?: string;
  readonly translationCache?: string;
  readonly dumpRegion?: string;
  readonly commitLog?: string;
  readonly stats?: boolean;
  readonly save?: string;
  readonly snapshotEvery?: string;
  readonly keep?: string;
  readonly record?: boolean;
  readonly cold?: boolean;
}

export const DEFAULT_IMAGE = "debian-mini";
export const DEFAULT_MEMORY_BYTE_LENGTH = 512 * MIB;
export const MINIMUM_MEMORY_BYTE_LENGTH = 64 * MIB;
const MEMORY_GRANULE_BYTE_LENGTH = 4 * KIB;
/** Virtio slots 6 and 7 hold the entropy source and the console. */
export const MAXIMUM_DRIVE_COUNT = 6;

/** Virtio slots 8 to 11. */
export const MAXIMUM_NETWORK_COUNT = 4;

/**
 * Turns the options of `viv run` into an action.
 *
 * @throws VivariumError `option/invalid` naming the option, what it was given and what it accepts
 */
export function readRunOptions(options: RunOptions): MachineAction {
  const shares = readShares(options.share ?? []);
  const memoryByteLength = readMemory(options.memory);
  const machine: MachineRequest = {
    guest: withMounts(readGuest(options), shares),
    memoryByteLength,
    hartCount: readHartCount(options.harts),
    drives: readDrives(options.drive ?? []),
    shares: shares.map(({ request }) => request),
    ...(options.vsock === undefined ? {} : { socket: readSocket(options.vsock) }),
    ...(options.balloon === undefined ? {} : { balloon: readBalloon(options.balloon, memoryByteLength) }),
    inputs: readInputs(options.input ?? []),
    ...(options.disk === undefined ? {} : { ownDisk: readOwnDisk(options) }),
    networks: readNetworks(options.net ?? [], MAXIMUM_NETWORK_COUNT),
    ...(options.netRate === undefined ? {} : { sharedRate: readSharedRate(options.netRate) }),
    ...(options.limits === undefined ? {} : { limits: readFileName("--limits", options.limits) }),
    clock: readClock(options.clock),
    virtio: readVirtio(options.virtio),
    translate: readTranslate(options.translate),
    translationByteLengthMax: readTranslationCache(options.translationCache),
    stats: options.stats ?? false,
    ...(options.dumpRegion === undefined ? {} : { dumpRegion: readAddress("--dump-region", options.dumpRegion) }),
    ...(options.pcap === undefined ? {} : { capture: readCapture(options) }),
    ...(options.commitLog === undefined ? {} : { commitLog: readFileName("--commit-log", options.commitLog) }),
  };
  const keep = readKeep(options, options.save);
  const kept = keep === null ? {} : { keep };
  const cold = options.cold ?? false;
  if (options.exec === undefined) return { action: "run", machine, cold, ...kept };
  if (options.exec.trim() === "") throw badOption("--exec: the command is empty; expected a shell command");
  return { action: "exec", machine, command: options.exec, cold, ...kept };
}

function readGuest(options: RunOptions): GuestSource {
  refuseConflicts(options);
  const append = checkWords("--append", options.append ?? "");
  if (options.bare !== undefined) return { kind: "bare", program: readFileName("--bare", options.bare) };
  const firmware = options.bios === undefined ? undefined : readFileName("--bios", options.bios);
  if (options.kernel !== undefined) {
    const kernel = readFileName("--kernel", options.kernel);
    const initrd = options.initrd === undefined ? {} : { initrd: readFileName("--initrd", options.initrd) };
    if (firmware === undefined) return { kind: "linux", kernel, ...initrd, commandLine: append };
    return { kind: "firmware", firmware, kernel, ...initrd, commandLine: append };
  }
  if (firmware !== undefined && options.image === undefined && options.exec === undefined) {
    return { kind: "firmware", firmware, commandLine: "" };
  }
  const name = options.image ?? DEFAULT_IMAGE;
  return { kind: "image", name, ...(firmware === undefined ? {} : { firmware }), append };
}

/** The guest, told what to mount. A guest without a kernel's command line is told nothing. */
function withMounts(guest: GuestSource, shares: readonly ParsedShare[]): GuestSource {
  const more = (text: string) => [text, ...mountWords(shares)].join(" ").trim();
  switch (guest.kind) {
    case "image":
      return { ...guest, append: more(guest.append) };
    case "linux":
      return { ...guest, commandLine: more(guest.commandLine) };
    case "firmware":
      return guest.kernel === undefined ? guest : { ...guest, commandLine: more(guest.commandLine) };
    case "bare":
      return guest;
  }
}

function refuseConflicts(options: RunOptions): void {
  const given = (name: keyof RunOptions) => options[name] !== undefined;
  const image = `image ${JSON.stringify(options.image)}`;
  if (given("bare")) {
    for (const name of ["bios", "kernel", "initrd", "append", "exec"] as const) {
      if (given(name)) throw badOption(`--bare and --${name} exclude each other: a bare program starts alone`);
    }
    if (given("image")) throw badOption(`--bare and ${image} exclude each other: a bare program starts alone`);
  }
  if (given("save") && given("disk")) {
    throw badOption("--save and --disk exclude each other: a machine that is saved has its disks in its own file");
  }
  if (given("kernel")) {
    if (given("image")) throw badOption(`--kernel and ${image} exclude each other: an image has its own kernel`);
    if (given("exec"))
      throw badOption("--exec and --kernel exclude each other: --exec needs an image, which answers it");
    return;
  }
  if (given("initrd")) throw badOption("--initrd needs --kernel: an image has its own initrd");
  if (given("append") && given("bios") && !given("image") && !given("exec")) {
    throw badOption("--append needs --kernel or an image beside --bios: there is no command line without a kernel");
  }
}

function readMemory(text: string | undefined): number {
  if (text === undefined) return DEFAULT_MEMORY_BYTE_LENGTH;
  const accepted = `${formatByteLength(MINIMUM_MEMORY_BYTE_LENGTH)} to ${formatByteLength(MAX_RAM_BYTE_LENGTH)}`;
  const byteLength = parseByteLength(text);
  if (byteLength === null) {
    throw badOption(
      `--memory: ${JSON.stringify(text)} is not an amount of memory; expected ${accepted}, such as 512MiB or 2GiB`,
    );
  }
  if (byteLength < MINIMUM_MEMORY_BYTE_LENGTH || byteLength > MAX_RAM_BYTE_LENGTH) {
    throw badOption(`--memory: ${text} is out of range; expected ${accepted}`);
  }
  if (byteLength % MEMORY_GRANULE_BYTE_LENGTH !== 0) {
    throw badOption(`--memory: ${text} is not a whole number of pages; expected a multiple of 4KiB`);
  }
  return byteLength;
}

function readHartCount(text: string | undefined): number {
  if (text === undefined) return 1;
  const count = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (count >= 1 && count <= MAX_HARTS) return count;
  throw badOption(`--harts: ${JSON.stringify(text)} is not a number of harts; expected 1 to ${MAX_HARTS}`);
}

export function readDrives(texts: readonly string[]): readonly DriveRequest[] {
  if (texts.length > MAXIMUM_DRIVE_COUNT) {
    throw badOption(`--drive: ${texts.length} drives; expected at most ${MAXIMUM_DRIVE_COUNT}`);
  }
  return texts.map(readDrive);
}

function readOwnDisk({ disk, kernel, bare }: RunOptions): string {
  if (kernel !== undefined || bare !== undefined)
    throw badOption("--disk needs an image that has a disk, such as debian");
  return readFileName("--disk", disk!);
}

function readClock(text: string | undefined): ClockChoice {
  if (text === undefined || text === "host") return "host";
  if (text === "virtual") return "virtual";
  throw badOption(`--clock: ${JSON.stringify(text)} is not a clock; expected host or virtual`);
}

/** @throws VivariumError `option/invalid` */
export function readVirtio(text: string | undefined): VirtioChoice {
  if (text === undefined || text === "modern") return "modern";
  if (text === "legacy") return "legacy";
  throw badOption(`--virtio: ${JSON.stringify(text)} is no interface; expected modern or legacy`);
}

export function readTranslationCache(text: string | undefined): number {
  if (text === undefined) return DEFAULT_TRANSLATION_BYTE_LENGTH;
  const byteLength = parseByteLength(text);
  if (byteLength !== null && byteLength > 0) return byteLength;
  throw badOption(`--translation-cache: ${JSON.stringify(text)} is not an amount of memory; expected such as 64MiB`);
}

export function readTranslate(text: string | undefined): TranslationMode {
  if (text === undefined) return "on";
  if (text === "on" || text === "off" || text === "eager") return text;
  throw badOption(`--translate: ${JSON.stringify(text)} is not a mode; expected off, on or eager`);
}

/** A virtual address in hexadecimal, with 0x or without. */
function readAddress(option: string, text: string): bigint {
  if (/^(0x)?[0-9a-f]{1,16}$/i.test(text)) return BigInt(`0x${text.replace(/^0x/i, "")}`);
  throw badOption(`${option}: ${JSON.stringify(text)} is not an address; expected hexadecimal, such as 80200000`);
}

export function readCapture({ pcap, net }: Pick<RunOptions, "pcap" | "net">): string {
  if (net === undefined || net.includes("none")) throw badOption("--pcap needs --net: there is no network to capture");
  return readFileName("--pcap", pcap ?? "");
}

export function readFileName(option: string, text: string): string {
  if (text === "") throw badOption(`${option}: the file name is empty; expected a file`);
  return text;
}

function badOption(message: string): VivariumError {
  return new VivariumError("option/invalid", message);
}
