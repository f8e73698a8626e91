import type { Device, Width } from "../devices/device.js";
import { VivariumError } from "../util/errors.js";

/** What `read` answers where there is nothing: the processor raises an access fault. */
export const NOTHING_THERE = -1;

/** How many accesses of devices go by between two calls of `onAccesses`. */
const ACCESSES_TOLD = 64;

/** A device and the physical addresses it answers to. */
export interface BusWindow {
  readonly name: string;
  readonly base: number;
  readonly byteLength: number;
  readonly device: Device;
}

/**
 * The board's physical address space outside RAM: hands an access to the device whose window holds all of it.
 *
 * An access that is not aligned to its width, that crosses a window's end or that meets no window is a fault.
 */
export class Bus {
  /** Ascending by base, disjoint. */
  readonly #windows: BusWindow[] = [];
  #last: BusWindow | null = null;
  #accessCount = 0;
  /** Called at every 64th access. */
  onAccesses: () => void = () => {};

  /** @throws VivariumError `bus/overlap` when a window already holds one of the addresses */
  attach(name: string, base: number, device: Device): void {
    const window = { name, base, byteLength: device.windowByteLength, device };
    const other = this.#windows.find((each) => each.base < end(window) && base < end(each));
    if (other !== undefined) {
      throw new VivariumError("bus/overlap", `${describe(window)} overlaps ${describe(other)}`, {
        name,
        other: other.name,
      });
    }
    this.#windows.push(window);
    this.#windows.sort((a, b) => a.base - b.base);
  }

  /** Accesses since the bus was made. */
  get accessCount(): number {
    return this.#accessCount;
  }

  /** The windows in ascending order of address. */
  get windows(): readonly BusWindow[] {
    return this.#windows;
  }

  /** The window that holds `paddr`, or null. */
  find(paddr: number): BusWindow | null {
    // A driver talks to one device many times before it turns to another.
    const last = this.#last;
    if (last !== null && paddr >= last.base && paddr < end(last)) return last;
    for (const window of this.#windows) {
      if (paddr < window.base) return null;
      if (paddr < end(window)) {
        this.#last = window;
        return window;
      }
    }
    return null;
  }

  /** @returns an unsigned integer of `width` bytes, or NOTHING_THERE */
  read(paddr: number, width: Width): number {
    const window = this.#windowOf(paddr, width);
    return window === null ? NOTHING_THERE : window.device.read(paddr - window.base, width);
  }

  /** @returns whether a device took the write */
  write(paddr: number, width: Width, value: number): boolean {
    const window = this.#windowOf(paddr, width);
    if (window === null) return false;
    window.device.write(paddr - window.base, value, width);
    return true;
  }

  #windowOf(paddr: number, width: Width): BusWindow | null {
    if (++this.#accessCount % ACCESSES_TOLD === 0) this.onAccesses();
    if (paddr % width !== 0) return null;
    const window = this.find(paddr);
    return window !== null && paddr + width <= end(window) ? window : null;
  }
}

function end(window: BusWindow): number {
  return window.base + window.byteLength;
}

function describe(window: BusWindow): string {
  return `${window.name} at 0x${window.base.toString(16)}..0x${(end(window) - 1).toString(16)}`;
}
