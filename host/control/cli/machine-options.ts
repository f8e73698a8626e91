import { VivariumError } from "../../util/errors.js";
import { formatByteLength, MIB, parseByteLength } from "../byte-length.js";
import type { ActionInput } from "../hypervisor/actions.js";
import type { CpuSettings, MachineChange, MachineRequest, RestartPolicy } from "../hypervisor/schemas.js";
import { readVirtio } from "../run-options.js";
import { mountWords, readShares } from "../share-option.js";
import { isMachineName } from "./daemon-action.js";

/** Options about a processor's part, as they were written. */
export interface CpuOptions {
  readonly shares?: string;
  readonly limit?: string;
  readonly reservation?: string;
}

/** What `viv create` was given. */
export interface CreateOptions extends CpuOptions {
  readonly image?: string;
  readonly memory?: string;
  readonly harts?: string;
  readonly pool?: string;
  readonly net?: readonly string[];
  readonly share?: readonly string[];
  readonly append?: string;
  readonly autostart?: boolean;
  readonly restart?: string;
  readonly saveEvery?: string;
  readonly isolated?: boolean;
  readonly virtio?: string;
  readonly description?: string;
  /** False by --no-start. */
  readonly start?: boolean;
}

/** What `viv set` was given. */
export interface SetOptions extends CpuOptions {
  readonly pool?: string;
  readonly autostart?: boolean;
  readonly restart?: string;
  readonly saveEvery?: string;
  readonly isolated?: boolean;
  readonly description?: string;
  readonly memoryTarget?: string;
  readonly rate?: readonly string[];
}

const RESTARTS: readonly string[] = ["never", "on-failure", "always"] satisfies RestartPolicy[];

/** @throws VivariumError `option/invalid` */
export function readCreateOptions(name: string, options: CreateOptions): MachineRequest {
  checkMachineName(name);
  const { image, memory, harts, pool, net, share, append, autostart, description, start, virtio } = options;
  const shares = readShares(share ?? []);
  const words = [...(append === undefined ? [] : [append]), ...mountWords(shares)].join(" ");
  return {
    name,
    ...(image === undefined ? {} : { image }),
    ...(memory === undefined ? {} : { memoryMiB: readMiB("--memory", memory) }),
    ...(harts === undefined ? {} : { harts: readCount("--harts", harts) }),
    ...cpuOf(options),
    ...(pool === undefined ? {} : { pool }),
    ...(net === undefined ? {} : { networks: net.filter((text) => text !== "none") }),
    ...(shares.length === 0 ? {} : { folders: shares.map(({ request }) => request) }),
    ...(words === "" ? {} : { append: words }),
    ...(autostart === undefined ? {} : { autostart }),
    ...safetyOf(options),
    ...(virtio === undefined ? {} : { virtio: readVirtio(virtio) }),
    ...(description === undefined ? {} : { description }),
    ...(start === false ? { start } : {}),
  };
}

/** @throws VivariumError `option/invalid` */
export function readSetOptions(machine: string, options: SetOptions): ActionInput<"machine.set"> {
  checkMachineName(machine);
  const { pool, autostart, description, memoryTarget, rate } = options;
  const change = {
    ...cpuOf(options),
    ...(pool === undefined ? {} : { pool }),
    ...(autostart === undefined ? {} : { autostart }),
    ...safetyOf(options),
    ...(description === undefined ? {} : { description }),
    ...(memoryTarget === undefined ? {} : { memoryTargetMiB: readMiB("--memory-target", memoryTarget) }),
    ...(rate === undefined ? {} : { rates: rate.map((text) => (text === "" ? null : text)) }),
  };
  if (Object.keys(change).length === 0) throw badOption("nothing to change; expected such as --shares 200");
  return { machine, ...change };
}

/** What becomes of it when it, or another one, breaks. */
function safetyOf({
  restart,
  saveEvery,
  isolated,
}: SetOptions): Pick<MachineChange, "restart" | "saveEverySeconds" | "isolated"> {
  return {
    ...(restart === undefined ? {} : { restart: readRestart(restart) }),
    ...(saveEvery === undefined ? {} : { saveEverySeconds: readSaveEvery(saveEvery) }),
    ...(isolated === undefined ? {} : { isolated }),
  };
}

/** Absent when none of it was given. @throws VivariumError `option/invalid` */
export function cpuOf({ shares, limit, reservation }: CpuOptions): { readonly cpu?: Partial<CpuSettings> } {
  const cpu: Partial<CpuSettings> = {
    ...(shares === undefined ? {} : { shares: readCount("--shares", shares) }),
    ...(limit === undefined ? {} : { limit: limit === "none" ? null : readProcessors("--limit", limit) }),
    ...(reservation === undefined ? {} : { reservation: readProcessors("--reservation", reservation) }),
  };
  return Object.keys(cpu).length === 0 ? {} : { cpu };
}

/** @throws VivariumError `option/invalid` */
export function checkMachineName(name: string): void {
  if (isMachineName(name)) return;
  const accepted = "1 to 63 of a to z, 0 to 9 and -, which neither begins nor ends it";
  throw badOption(`${JSON.stringify(name.slice(0, 80))} is no name of a machine; expected ${accepted}`);
}

/** @throws VivariumError `option/invalid` */
export function readCount(option: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw badOption(`${option}: ${JSON.stringify(text)} is no whole number`);
}

/** Seconds of a time such as 90s, 30m, 12h or 7d. @throws VivariumError `option/invalid` */
export function readSeconds(option: string, text: string): number {
  const match = /^(\d{1,6})([smhd])$/.exec(text);
  if (match === null) throw badOption(`${option}: ${JSON.stringify(text)} is no time; expected such as 90s, 12h or 7d`);
  return Number(match[1]) * UNIT_SECONDS[match[2]!]!;
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** 50% of one processor, or 1.5 of them. */
function readProcessors(option: string, text: string): number {
  const match = /^(\d{1,6}(?:\.\d{1,4})?)(%?)$/.exec(text);
  if (match !== null) return Number(match[1]) / (match[2] === "%" ? 100 : 1);
  const none = option === "--limit" ? ", or none" : "";
  throw badOption(`${option}: ${JSON.stringify(text)} is no part of a processor; expected such as 50% or 1.5${none}`);
}

function readMiB(option: string, text: string): number {
  const byteLength = parseByteLength(text);
  if (byteLength === null) {
    throw badOption(`${option}: ${JSON.stringify(text)} is not an amount of memory; expected such as 256MiB or 1GiB`);
  }
  if (byteLength % MIB === 0) return byteLength / MIB;
  throw badOption(`${option}: ${formatByteLength(byteLength)} is not a whole number of MiB`);
}

function readRestart(text: string): RestartPolicy {
  if (RESTARTS.includes(text)) return text as RestartPolicy;
  throw badOption(`--restart: ${JSON.stringify(text)} is no policy; expected ${RESTARTS.join(", ")}`);
}

function readSaveEvery(text: string): number | null {
  if (text === "never") return null;
  const seconds = /^\d{1,6}[smhd]$/.test(text) ? readSeconds("--save-every", text) : Number.NaN;
  if (seconds >= 1 && seconds <= 604_800) return seconds;
  throw badOption(`--save-every: ${JSON.stringify(text)} is no time; expected 1s to 7d, such as 30s or 10m, or never`);
}

function badOption(message: string): VivariumError {
  return new VivariumError("option/invalid", message);
}
