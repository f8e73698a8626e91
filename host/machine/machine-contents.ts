import { type Core, coreSchema } from "../core/core.js";
import { hartSchema } from "../core/hart.js";
import { isCapturable } from "../storage/captured-disk.js";
import { decode, encode, type SavedState } from "../util/schema.js";
import type { Drive } from "./board.js";
import { type BoardState, boardSchema } from "./board-state.js";
import type { GuestClock } from "./clock.js";
import type { Component } from "./component.js";
import type { GuestMemory } from "./guest-memory.js";
import type { MachineState } from "./machine-state.js";
import { checkContents, hartName, refuseUnknownParts } from "./resume.js";
import { StateHash } from "./state-hash.js";

interface Contents {
  readonly board: BoardState;
  readonly core: Core;
  readonly memory: GuestMemory;
  /** Every component that has state of its own besides harts and RAM, by name. */
  readonly devices: ReadonlyMap<string, Component>;
  readonly drives: readonly Drive[];
  readonly clock: Pick<GuestClock, "resume">;
}

/** All of a machine that its state is of: processor, RAM, devices, disks. Between two slices only. */
export class MachineContents {
  readonly #board: BoardState;
  readonly #core: Core;
  readonly #memory: GuestMemory;
  readonly #devices: ReadonlyMap<string, Component>;
  readonly #drives: readonly Drive[];
  readonly #clock: Pick<GuestClock, "resume">;

  constructor({ board, core, memory, devices, drives, clock }: Contents) {
    this.#board = board;
    this.#core = core;
    this.#memory = memory;
    this.#devices = devices;
    this.#drives = drives;
    this.#clock = clock;
  }

  capture(): MachineState {
    const parts = new Map<string, SavedState>([["core", encode(coreSchema, this.#core.save())]]);
    for (const hart of this.#core.harts) parts.set(hartName(hart.id), encode(hartSchema, hart.save()));
    for (const [name, device] of this.#devices) parts.set(name, encode(device.schema, device.save()));
    return {
      board: encode(boardSchema, this.#board),
      parts,
      ram: this.#memory.capture(),
      drives: this.#drives.map(({ backend }) => (isCapturable(backend) ? backend.capture() : null)),
      instructions: this.#core.retired,
    };
  }

  /**
   * @throws VivariumError `bad-state` naming what cannot be: before anything was changed, unless it is a device that
   *   refuses what its schema allows
   */
  load(state: MachineState): void {
    const part = (name: string): unknown => state.parts.get(name);
    refuseUnknownParts(state, ["core", ...this.#core.harts.map(({ id }) => hartName(id)), ...this.#devices.keys()]);
    const core = decode(coreSchema, part("core"));
    const harts = this.#core.harts.map(({ id }) => decode(hartSchema, part(hartName(id))));
    // A device that was not there when the state was captured is as after power-on: its guest does not know of it.
    const devices = [...this.#devices].map(([name, device]) => ({
      device,
      saved: state.parts.has(name) ? decode(device.schema, part(name)) : null,
    }));
    checkContents(state, this.#board);

    this.#core.reset();
    this.#memory.restore(state.ram);
    for (const [index, { backend }] of this.#drives.entries()) {
      const contents = state.drives[index] ?? null;
      if (isCapturable(backend) && contents !== null) backend.restore(contents);
    }
    this.#core.load(core);
    this.#clock.resume();
    for (const { device, saved } of devices) {
      if (saved === null) device.reset();
      else device.load(saved);
    }
    // Devices have driven their lines anew, which is nothing new: the interrupt controller and the harts know of them.
    const plic = this.#devices.get("plic")!;
    if (state.parts.has("plic")) plic.load(decode(plic.schema, part("plic")));
    for (const [id, hart] of harts.entries()) this.#core.harts[id]!.load(hart);
  }

  /** What the contents of disks take up in memory; costs a look at all of their chunks. */
  get diskMemoryByteLength(): number {
    const captured = this.#drives.map(({ backend }) => (isCapturable(backend) ? backend.heldByteLength : 0));
    return captured.reduce((sum, byteLength) => sum + byteLength, 0);
  }

  /** A hash over harts, RAM and devices. */
  hash(): string {
    const hash = this.#hash();
    hash.ram(this.#core.ram);
    return hash.toString();
  }

  hashWithoutRam(): string {
    return this.#hash().toString();
  }

  #hash(): StateHash {
    const hash = new StateHash();
    const { turn, mtime, retired } = this.#core;
    hash.value({ turn: { ...turn }, mtime: mtime.toString(), retired: retired.toString() });
    for (const hart of this.#core.harts) hash.value(encode(hartSchema, hart.save()));
    for (const [name, device] of this.#devices) {
      hash.text(name);
      hash.value(encode(device.schema, device.save()));
    }
    return hash;
  }
}
