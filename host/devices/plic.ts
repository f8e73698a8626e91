/**
 * Platform-level interrupt controller: sources 1 to 95, one context for each hart's M-mode (2 * hart) and S-mode
 * (2 * hart + 1), priorities 0 to 7, level-triggered gateways.
 *
 * | offset                     | access | register                                                    |
 * |----------------------------|--------|-------------------------------------------------------------|
 * | 0x000000 + 4 * source      | rw     | priority of a source; 0 never interrupts                    |
 * | 0x001000 + 4 * word        | r      | pending bits of sources 32 * word and up                    |
 * | 0x002000 + 0x80 * context  | rw     | enable bits, one word for 32 sources                        |
 * | 0x200000 + 0x1000 * context| rw     | threshold: lower or equal priorities do not interrupt       |
 * | 0x200004 + 0x1000 * context| rw     | read: claim the best source; write: complete one            |
 *
 * Registers are 32 bits wide; other accesses reach nothing.
 *
 * A line that is still high when its interrupt is completed interrupts again at once. Software made for QEMU's virt
 * board need not know that, since there only a device's new reason does: xv6 leaves the UART's line high, and would be
 * interrupted for ever. After SERVICES_MAX services without a fall or a new reason a line is therefore left alone
 * until there is one.
 *
 * Source: RISC-V Platform-Level Interrupt Controller Specification 1.0.0, sections 3 to 9.
 */
import { assert } from "../util/errors.js";
import { type Schema, type StateOf, schema, table, u32, uint } from "../util/schema.js";
import type { Device, InterruptLine, Width } from "./device.js";

/** Sources including number 0, which does not exist. */
export const PLIC_SOURCE_COUNT = 96;
export const PLIC_PRIORITY_MAX = 7;
export const PLIC_CONTEXTS_PER_HART = 2;

const WINDOW_BYTE_LENGTH = 0x600000;
const WORD_COUNT = PLIC_SOURCE_COUNT / 32;
const NO_SOURCE = 0;
/** More than the characters in a UART's FIFO, which a driver may take one in a service. */
const SERVICES_MAX = 64;

const PENDING_BASE = 0x1000;
const ENABLE_BASE = 0x2000;
const ENABLE_STRIDE = 0x80;
const CONTEXT_BASE = 0x200000;
const CONTEXT_STRIDE = 0x1000;
const CONTEXT_THRESHOLD = 0;
const CONTEXT_CLAIM_COMPLETE = 4;

type Register =
  | { readonly kind: "priority"; readonly source: number }
  | { readonly kind: "pending"; readonly word: number }
  | { readonly kind: "enable"; readonly context: Context; readonly word: number }
  | { readonly kind: "threshold"; readonly context: Context }
  | { readonly kind: "claim-complete"; readonly context: Context }
  | { readonly kind: "none" };

const NO_REGISTER: Register = { kind: "none" };

interface Context {
  readonly enabled: Uint32Array;
  threshold: number;
  readonly output: InterruptLine;
}

const sourceBits = (doc: string) => table(`${doc}: one bit a source, 32 in a word`, u32("32 sources"), WORD_COUNT);

function plicFields(contextCount: number) {
  return {
    priorities: table("by source", uint("priority", PLIC_PRIORITY_MAX), PLIC_SOURCE_COUNT),
    levels: sourceBits("lines that are high"),
    pending: sourceBits("requests that no context has claimed"),
    inService: sourceBits("claimed and not completed: the gateway forwards nothing"),
    services: table(
      "by source: claims since the line last gave a reason, at most",
      uint("claims", SERVICES_MAX),
      PLIC_SOURCE_COUNT,
    ),
    enabled: table("by context", sourceBits("enabled sources"), contextCount),
    thresholds: table("by context", uint("threshold", PLIC_PRIORITY_MAX), contextCount),
  };
}
type PlicFields = ReturnType<typeof plicFields>;
type PlicState = StateOf<PlicFields>;

export class Plic implements Device<PlicFields> {
  readonly schema: Schema<PlicFields>;
  readonly windowByteLength = WINDOW_BYTE_LENGTH;
  readonly #priorities = new Uint8Array(PLIC_SOURCE_COUNT);
  readonly #levels = new Uint32Array(WORD_COUNT);
  readonly #pending = new Uint32Array(WORD_COUNT);
  readonly #inService = new Uint32Array(WORD_COUNT);
  readonly #services = new Uint8Array(PLIC_SOURCE_COUNT);
  readonly #contexts: readonly Context[];

  /** @param outputs by context: hart 0 M-mode, hart 0 S-mode, hart 1 M-mode, ... */
  constructor(outputs: readonly InterruptLine[]) {
    this.schema = schema("plic", 1, plicFields(outputs.length));
    this.#contexts = outputs.map((output) => ({ enabled: new Uint32Array(WORD_COUNT), threshold: 0, output }));
    this.reset();
  }

  /** The line on which a device makes its requests. */
  line(source: number): InterruptLine {
    assert(source > NO_SOURCE && source < PLIC_SOURCE_COUNT, `plic: there is no source ${source}`);
    return { set: (level) => this.#setLevel(source, level) };
  }

  read(offset: number, width: Width): number {
    const register = this.#locate(offset, width);
    switch (register.kind) {
      case "priority":
        return this.#priorities[register.source]!;
      case "pending":
        return this.#pending[register.word]!;
      case "enable":
        return register.context.enabled[register.word]!;
      case "threshold":
        return register.context.threshold;
      case "claim-complete":
        return this.#claim(register.context);
      case "none":
        return 0;
    }
  }

  write(offset: number, value: number, width: Width): void {
    const register = this.#locate(offset, width);
    switch (register.kind) {
      case "priority":
        this.#priorities[register.source] = value & PLIC_PRIORITY_MAX;
        break;
      case "enable":
        // Source 0 does not exist: its bit is wired to zero.
        register.context.enabled[register.word] = register.word === 0 ? value & ~1 : value;
        break;
      case "threshold":
        register.context.threshold = value & PLIC_PRIORITY_MAX;
        break;
      case "claim-complete":
        this.#complete(register.context, value);
        break;
      case "pending":
      case "none":
        return;
    }
    this.#updateOutputs();
  }

  reset(): void {
    const noSources = new Array<number>(WORD_COUNT).fill(0);
    this.load({
      priorities: new Array<number>(PLIC_SOURCE_COUNT).fill(0),
      levels: noSources,
      pending: noSources,
      inService: noSources,
      services: new Array<number>(PLIC_SOURCE_COUNT).fill(0),
      enabled: this.#contexts.map(() => noSources),
      thresholds: this.#contexts.map(() => 0),
    });
  }

  save(): PlicState {
    return {
      priorities: Array.from(this.#priorities),
      levels: Array.from(this.#levels),
      pending: Array.from(this.#pending),
      inService: Array.from(this.#inService),
      services: Array.from(this.#services),
      enabled: this.#contexts.map(({ enabled }) => Array.from(enabled)),
      thresholds: this.#contexts.map(({ threshold }) => threshold),
    };
  }

  load(state: PlicState): void {
    this.#priorities.set(state.priorities);
    this.#levels.set(state.levels);
    this.#pending.set(state.pending);
    this.#inService.set(state.inService);
    this.#services.set(state.services);
    this.#contexts.forEach((context, index) => {
      context.enabled.set(state.enabled[index]!);
      context.threshold = state.thresholds[index]!;
    });
    this.#updateOutputs();
  }

  #locate(offset: number, width: Width): Register {
    if (width !== 4 || offset % 4 !== 0) return NO_REGISTER;
    if (offset < PENDING_BASE) {
      const source = offset / 4;
      return source !== NO_SOURCE && source < PLIC_SOURCE_COUNT ? { kind: "priority", source } : NO_REGISTER;
    }
    if (offset < ENABLE_BASE) {
      const word = (offset - PENDING_BASE) / 4;
      return word < WORD_COUNT ? { kind: "pending", word } : NO_REGISTER;
    }
    return offset < CONTEXT_BASE
      ? this.#locateEnable(offset - ENABLE_BASE)
      : this.#locateContext(offset - CONTEXT_BASE);
  }

  #locateEnable(offset: number): Register {
    const context = this.#contexts[Math.floor(offset / ENABLE_STRIDE)];
    const word = (offset % ENABLE_STRIDE) / 4;
    return context !== undefined && word < WORD_COUNT ? { kind: "enable", context, word } : NO_REGISTER;
  }

  #locateContext(offset: number): Register {
    const context = this.#contexts[Math.floor(offset / CONTEXT_STRIDE)];
    if (context === undefined) return NO_REGISTER;
    switch (offset % CONTEXT_STRIDE) {
      case CONTEXT_THRESHOLD:
        return { kind: "threshold", context };
      case CONTEXT_CLAIM_COMPLETE:
        return { kind: "claim-complete", context };
      default:
        return NO_REGISTER;
    }
  }

  #setLevel(source: number, level: boolean): void {
    if (hasBit(this.#levels, source) === level && this.#services[source] === 0) return;
    setBit(this.#levels, source, level);
    this.#services[source] = 0;
    this.#forward(source);
    this.#updateOutputs();
  }

  /** The gateway: one request at a time. A request already forwarded stays when the line falls (section 4). */
  #forward(source: number): void {
    const isQuiet = this.#services[source] === SERVICES_MAX;
    if (!hasBit(this.#levels, source) || hasBit(this.#inService, source) || isQuiet) return;
    setBit(this.#pending, source, true);
  }

  /** The threshold does not limit claims (section 8). */
  #claim(context: Context): number {
    const source = this.#best(context);
    if (source === NO_SOURCE) return NO_SOURCE;
    setBit(this.#pending, source, false);
    setBit(this.#inService, source, true);
    this.#services[source] = Math.min(this.#services[source]! + 1, SERVICES_MAX);
    this.#updateOutputs();
    return source;
  }

  /** Completing a source that is not enabled for the context is ignored (section 9). */
  #complete(context: Context, source: number): void {
    if (source >= PLIC_SOURCE_COUNT || !hasBit(context.enabled, source)) return;
    setBit(this.#inService, source, false);
    this.#forward(source);
  }

  #updateOutputs(): void {
    for (const context of this.#contexts) {
      const source = this.#best(context);
      context.output.set(source !== NO_SOURCE && this.#priorities[source]! > context.threshold);
    }
  }

  /** The pending, enabled source of highest priority, the lowest number among equals; NO_SOURCE if there is none. */
  #best(context: Context): number {
    let best = NO_SOURCE;
    let bestPriority = 0;
    for (let word = 0; word < WORD_COUNT; word++) {
      let candidates = this.#pending[word]! & context.enabled[word]!;
      for (; candidates !== 0; candidates &= candidates - 1) {
        const source = word * 32 + lowestBit(candidates);
        const priority = this.#priorities[source]!;
        if (priority <= bestPriority) continue;
        best = source;
        bestPriority = priority;
      }
    }
    return best;
  }
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}

function hasBit(words: Uint32Array, source: number): boolean {
  return ((words[source >>> 5]! >>> (source & 31)) & 1) !== 0;
}

function setBit(words: Uint32Array, source: number, value: boolean): void {
  const bit = 1 << (source & 31);
  if (value) words[source >>> 5]! |= bit;
  else words[source >>> 5]! &= ~bit;
}
