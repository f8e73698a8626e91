import { hasInputCode, type InputKind } from "../devices/virtio/input.js";
import { ABS_X, ABS_Y, EV_ABS, EV_KEY, EV_REL, type InputEvent, REL_WHEEL } from "../devices/virtio/input-events.js";
import { VivariumError } from "../util/errors.js";

/** A keyboard or tablet of a machine. Codes are those of Linux's evdev. */
export class MachineInput {
  readonly kind: InputKind;
  readonly #tell: (events: readonly InputEvent[]) => void;
  readonly #callbacks = new Set<(event: InputEvent) => void>();

  /** @internal */
  constructor(kind: InputKind, tell: (events: readonly InputEvent[]) => void) {
    this.kind = kind;
    this.#tell = tell;
  }

  /** A key or button goes down or up. @param code KEY_... or BTN_... */
  key(code: number, isDown: boolean): void {
    this.report([{ type: EV_KEY, code, value: Number(isDown) }]);
  }

  /** The pointer of a tablet is now here: 0 to 32767 from the left and from the top. */
  moveTo(x: number, y: number): void {
    this.report([
      { type: EV_ABS, code: ABS_X, value: Math.round(x) },
      { type: EV_ABS, code: ABS_Y, value: Math.round(y) },
    ]);
  }

  /** The wheel of a tablet has turned. @param steps up or, negative, down */
  turnWheel(steps: number): void {
    this.report([{ type: EV_REL, code: REL_WHEEL, value: Math.trunc(steps) }]);
  }

  /**
   * Tells the guest of things that happen at the same time. They are lost while nobody is there to see them.
   *
   * @throws VivariumError `input/unknown` for what this device does not have
   */
  report(events: readonly InputEvent[]): void {
    for (const { type, code } of events) {
      if (hasInputCode(this.kind, type, code)) continue;
      throw new VivariumError("input/unknown", `a ${this.kind} has no event ${type}, ${code}`, { type, code });
    }
    this.#tell(events);
  }

  /** Calls back with what the guest asks of the device, such as EV_LED. @returns a function that ends it */
  onEvent(callback: (event: InputEvent) => void): () => void {
    this.#callbacks.add(callback);
    return () => void this.#callbacks.delete(callback);
  }

  /** @internal */
  receive(event: InputEvent): void {
    for (const callback of [...this.#callbacks]) callback(event);
  }
}
