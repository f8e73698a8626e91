import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Device, Width } from "../../host/devices/device.js";
import { decode, encode } from "../../host/util/schema.js";

/** A device with the test's hands on its wires. */
export interface DeviceSubject {
  readonly device: Device;
  /** The levels of the interrupt lines the device drives, in a fixed order. */
  lines(): readonly boolean[];
  /** Where most accesses go, so that random programs reach states worth having; any offset is tried as well. */
  readonly offsets: readonly number[];
  /** Something the outside world does to the device, at any time: input arrives, a line rises. */
  readonly disturb?: () => void;
}

type Step =
  | { readonly kind: "disturb" }
  | { readonly kind: "read"; readonly offset: number; readonly width: Width }
  | { readonly kind: "write"; readonly offset: number; readonly width: Width; readonly value: number };

const INTERESTING_VALUES = [0, 1, 2, 3, 4, 7, 0xf, 0x40, 0x80, 0xff, 0x8000_0000, 0xffff_ffff];

/**
 * What every device must do, whatever it is.
 *
 * @param create a new device with new wires; every one it makes has the same surroundings
 */
export function deviceContract(name: string, create: () => DeviceSubject): void {
  describe(`${name}: device contract`, () => {
    const steps = fc.array(step(create()), { maxLength: 60 });
    const scenario = (check: (program: readonly Step[]) => void) => fc.assert(fc.property(steps, check));

    test("any access is answered with an unsigned integer of its width", () => {
      scenario((program) => {
        const subject = create();
        for (const step of program) {
          const value = perform(subject, step);
          if (step.kind !== "read") continue;
          expect(Number.isInteger(value) && value >= 0 && value < 2 ** (8 * step.width), `${value}`).toBe(true);
        }
      });
    });

    test("reset gives the state after construction", () => {
      scenario((program) => {
        const subject = create();
        const fresh = create();
        run(subject, program);
        subject.device.reset();
        expect(subject.device.save()).toEqual(fresh.device.save());
        expect(subject.lines()).toEqual(fresh.lines());
      });
    });

    test("a saved state is a copy", () => {
      fc.assert(
        fc.property(steps, steps, (before, after) => {
          const subject = create();
          run(subject, before);
          const state = subject.device.save();
          const copy = structuredClone(state);
          run(subject, after);
          expect(state).toEqual(copy);
        }),
      );
    });

    test("a loaded state is a copy", () => {
      fc.assert(
        fc.property(steps, steps, (before, after) => {
          const subject = create();
          run(subject, before);
          const state = subject.device.save();
          const copy = structuredClone(state);
          const restored = create();
          restored.device.load(state);
          run(restored, after);
          expect(state).toEqual(copy);
        }),
      );
    });

    test("a saved state survives encode and decode", () => {
      scenario((program) => {
        const subject = create();
        run(subject, program);
        const { schema } = subject.device;
        const state = subject.device.save();
        expect(decode(schema, encode(schema, state))).toEqual(state);
      });
    });

    test("loaded into a new device, a state is saved again unchanged and drives the same lines", () => {
      scenario((program) => {
        const subject = create();
        run(subject, program);
        const state = subject.device.save();
        const restored = create();
        restored.device.load(state);
        expect(restored.device.save()).toEqual(state);
        expect(restored.lines()).toEqual(subject.lines());
      });
    });

    test("loaded over any other state, nothing of that remains", () => {
      fc.assert(
        fc.property(steps, steps, (program, other) => {
          const subject = create();
          run(subject, program);
          const restored = create();
          run(restored, other);
          restored.device.load(subject.device.save());
          expect(restored.device.save()).toEqual(subject.device.save());
          expect(restored.lines()).toEqual(subject.lines());
        }),
      );
    });

    test("a restored device answers as the original does", () => {
      fc.assert(
        fc.property(steps, steps, (before, after) => {
          const subject = create();
          run(subject, before);
          const restored = create();
          restored.device.load(subject.device.save());
          for (const step of after) {
            expect(perform(restored, step)).toBe(perform(subject, step));
            expect(restored.lines()).toEqual(subject.lines());
          }
        }),
      );
    });
  });
}

function step({ device, offsets, disturb }: DeviceSubject): fc.Arbitrary<Step> {
  const end = device.windowByteLength;
  const width = fc.constantFrom<Width>(1, 2, 4);
  const value = fc.oneof(fc.constantFrom(...INTERESTING_VALUES), fc.nat(0xff), fc.nat(0xffff_ffff));
  const place = fc.oneof(
    { weight: 4, arbitrary: fc.record({ offset: fc.constantFrom(...offsets), width: fc.constant<Width>(4) }) },
    { weight: 2, arbitrary: fc.record({ offset: fc.constantFrom(...offsets), width }) },
    { weight: 1, arbitrary: fc.record({ offset: fc.nat(end - 1), width }) },
  );
  const inWindow = place.filter(({ offset, width }) => offset + width <= end);
  const access = fc
    .tuple(inWindow, fc.boolean(), value)
    .map(
      ([{ offset, width }, isWrite, value]): Step =>
        isWrite ? { kind: "write", offset, width, value: truncate(value, width) } : { kind: "read", offset, width },
    );
  if (disturb === undefined) return access;
  return fc.oneof({ weight: 5, arbitrary: access }, { weight: 1, arbitrary: fc.constant<Step>({ kind: "disturb" }) });
}

function truncate(value: number, width: Width): number {
  return width === 4 ? value : value % 2 ** (8 * width);
}

/** @returns what a read read, 0 for anything else */
function perform({ device, disturb }: DeviceSubject, step: Step): number {
  switch (step.kind) {
    case "disturb":
      disturb?.();
      return 0;
    case "read":
      return device.read(step.offset, step.width);
    case "write":
      device.write(step.offset, step.value, step.width);
      return 0;
  }
}

function run(subject: DeviceSubject, program: readonly Step[]): void {
  for (const step of program) perform(subject, step);
}
