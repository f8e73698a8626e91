/**
 * SiFive's test finisher: the board's power switch.
 *
 * | offset | access | register                                                                     |
 * |--------|--------|------------------------------------------------------------------------------|
 * | 0      | w      | bits 15 to 0: 0x5555 power off, 0x7777 reset, 0x3333 fail with the code in bits 31 to 16 |
 *
 * Other values do nothing. An access of 16 bits is a code of 0.
 *
 * Source: SiFive FU540-C000 manual, "Test Finisher", and the device tree binding `sifive,test1`.
 */
import { type StateOf, schema } from "../util/schema.js";
import type { Device, Width } from "./device.js";

const WINDOW_BYTE_LENGTH = 0x1000;

const FINISH = 0;
export const SYSCON_FAIL = 0x3333;
export const SYSCON_POWER_OFF = 0x5555;
export const SYSCON_RESET = 0x7777;

/** How the guest ended itself. */
export type Finish =
  | { readonly kind: "poweroff" }
  | { readonly kind: "reboot" }
  /** `code` is 0 to 65535. */
  | { readonly kind: "fail"; readonly code: number };

const sysconSchema = schema("syscon", 1, {});
type SysconFields = typeof sysconSchema.fields;
type SysconState = StateOf<SysconFields>;

export class Syscon implements Device<SysconFields> {
  readonly schema = sysconSchema;
  readonly windowByteLength = WINDOW_BYTE_LENGTH;
  readonly #finish: (finish: Finish) => void;

  constructor(finish: (finish: Finish) => void) {
    this.#finish = finish;
  }

  read(_offset: number, _width: Width): number {
    return 0;
  }

  write(offset: number, value: number, _width: Width): void {
    if (offset !== FINISH) return;
    switch (value & 0xffff) {
      case SYSCON_FAIL:
        this.#finish({ kind: "fail", code: value >>> 16 });
        return;
      case SYSCON_POWER_OFF:
        this.#finish({ kind: "poweroff" });
        return;
      case SYSCON_RESET:
        this.#finish({ kind: "reboot" });
        return;
      default:
        return;
    }
  }

  reset(): void {}

  save(): SysconState {
    return {};
  }

  load(_state: SysconState): void {}
}
