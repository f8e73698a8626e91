import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { Plic } from "../../host/devices/plic.js";
import { deviceContract } from "../contracts/device-contract.js";
import { FakeLine } from "./fake-line.js";

const priority = (source: number) => 4 * source;
const pending = (word: number) => 0x1000 + 4 * word;
const enable = (context: number, word: number) => 0x2000 + 0x80 * context + 4 * word;
const threshold = (context: number) => 0x20_0000 + 0x1000 * context;
const claim = (context: number) => 0x20_0004 + 0x1000 * context;

const CONTEXT_COUNT = 4;

let outputs: readonly FakeLine[];
let plic: Plic;

function create(): { device: Plic; outputs: readonly FakeLine[] } {
  const outputs = Array.from({ length: CONTEXT_COUNT }, () => new FakeLine());
  return { device: new Plic(outputs), outputs };
}

beforeEach(() => {
  ({ device: plic, outputs } = create());
});

const get = (offset: number) => plic.read(offset, 4);
const set = (offset: number, value: number) => plic.write(offset, value, 4);
const levels = () => outputs.map(({ level }) => level);

/** Gives `source` a priority and enables it for `context`. */
function route(source: number, context: number, level = 1): void {
  set(priority(source), level);
  const register = enable(context, source >> 5);
  set(register, (get(register) | (1 << (source & 31))) >>> 0);
}

describe("plic: registers", () => {
  test("priorities and thresholds hold 0 to 7, for sources 1 to 95", () => {
    for (const offset of [priority(1), priority(95), threshold(0), threshold(3)]) {
      set(offset, 0xffff_ffff);
      expect(get(offset)).toBe(7);
    }
    for (const offset of [priority(0), priority(96)]) {
      set(offset, 7);
      expect(get(offset)).toBe(0);
    }
  });

  test("there are three words of enable bits a context, without a source 0", () => {
    for (const word of [0, 1, 2, 3]) set(enable(1, word), 0xffff_ffff);
    expect([0, 1, 2, 3].map((word) => get(enable(1, word)))).toEqual([0xffff_fffe, 0xffff_ffff, 0xffff_ffff, 0]);
    expect(get(enable(0, 0))).toBe(0);
  });

  test("contexts that no hart has do not exist", () => {
    for (const offset of [enable(CONTEXT_COUNT, 0), threshold(CONTEXT_COUNT), claim(CONTEXT_COUNT)]) {
      set(offset, 1);
      expect(get(offset)).toBe(0);
    }
  });

  test("pending bits are read-only", () => {
    plic.line(33).set(true);
    set(pending(1), 0xffff_ffff);
    expect([0, 1, 2].map((word) => get(pending(word)))).toEqual([0, 2, 0]);
  });

  test("accesses that are not aligned words reach nothing", () => {
    route(1, 0);
    plic.line(1).set(true);
    expect(plic.read(claim(0), 1)).toBe(0);
    expect(plic.read(claim(0), 2)).toBe(0);
    expect(plic.read(claim(0) + 2, 4)).toBe(0);
    expect(get(pending(0))).toBe(2);
  });
});

describe("plic: notification", () => {
  test("a pending source interrupts the contexts that enable it", () => {
    route(10, 1);
    route(10, 3);
    plic.line(10).set(true);
    expect(levels()).toEqual([false, true, false, true]);
  });

  test("priority 0 never interrupts and is never claimed", () => {
    route(10, 0, 0);
    plic.line(10).set(true);
    expect(levels()[0]).toBe(false);
    expect(get(claim(0))).toBe(0);
    set(priority(10), 1);
    expect(levels()[0]).toBe(true);
  });

  test("only priorities above the threshold interrupt", () => {
    route(10, 0, 3);
    plic.line(10).set(true);
    set(threshold(0), 3);
    expect(levels()[0]).toBe(false);
    set(threshold(0), 2);
    expect(levels()[0]).toBe(true);
  });

  test("the request stays when the line falls before it is claimed", () => {
    route(10, 0);
    plic.line(10).set(true);
    plic.line(10).set(false);
    expect(levels()[0]).toBe(true);
    expect(get(claim(0))).toBe(10);
  });
});

describe("plic: claim and complete", () => {
  test("claim returns the highest-priority enabled source and clears its pending bit", () => {
    for (const [source, level] of [
      [3, 1],
      [40, 5],
      [95, 4],
    ] as const) {
      route(source, 0, level);
      plic.line(source).set(true);
    }
    route(50, 1, 7);
    plic.line(50).set(true);
    expect([get(claim(0)), get(claim(0)), get(claim(0)), get(claim(0))]).toEqual([40, 95, 3, 0]);
    expect([0, 1, 2].map((word) => get(pending(word)))).toEqual([0, 1 << 18, 0]);
    expect(levels()).toEqual([false, true, false, false]);
  });

  test("among equal priorities the lowest source wins", () => {
    for (const source of [64, 31, 32]) {
      route(source, 2, 4);
      plic.line(source).set(true);
    }
    expect([get(claim(2)), get(claim(2)), get(claim(2))]).toEqual([31, 32, 64]);
  });

  test("the threshold does not limit claims", () => {
    route(10, 0, 1);
    set(threshold(0), 7);
    plic.line(10).set(true);
    expect(get(claim(0))).toBe(10);
  });

  test("a source claimed by one context is gone for the others", () => {
    route(10, 0);
    route(10, 1);
    plic.line(10).set(true);
    expect(get(claim(1))).toBe(10);
    expect(get(claim(0))).toBe(0);
    expect(levels()).toEqual([false, false, false, false]);
  });

  test("a line that is still high interrupts again after completion, not before", () => {
    route(10, 0);
    plic.line(10).set(true);
    get(claim(0));
    plic.line(10).set(false);
    plic.line(10).set(true);
    expect(levels()[0]).toBe(false);
    set(claim(0), 10);
    expect(levels()[0]).toBe(true);
    expect(get(claim(0))).toBe(10);
    plic.line(10).set(false);
    set(claim(0), 10);
    expect(levels()[0]).toBe(false);
  });

  test("a line that no service lowers is left alone after 64 of them, until there is a new reason", () => {
    const serve = () => {
      let count = 0;
      for (; levels()[0] && count < 1000; count++) set(claim(0), get(claim(0)));
      return count;
    };
    route(10, 0);
    plic.line(10).set(true);
    expect(serve()).toBe(64);
    plic.line(10).set(true);
    expect(serve()).toBe(64);
    plic.line(10).set(false);
    plic.line(10).set(true);
    expect(serve()).toBe(64);
    const restored = create();
    restored.device.load(plic.save());
    expect(restored.outputs[0]?.level).toBe(false);
  });

  test("a new reason during the service interrupts again after it", () => {
    route(10, 0);
    plic.line(10).set(true);
    for (let count = 0; count < 64; count++) {
      get(claim(0));
      if (count === 63) plic.line(10).set(true);
      expect(levels()[0]).toBe(false);
      set(claim(0), 10);
      expect(levels()[0]).toBe(true);
    }
  });

  test("completing a source that the context does not enable, or that does not exist, is ignored", () => {
    route(10, 0);
    plic.line(10).set(true);
    get(claim(0));
    set(claim(1), 10);
    for (const source of [0, 96, 0xffff_ffff]) set(claim(0), source);
    expect(levels()[0]).toBe(false);
    set(enable(0, 0), 0);
    set(claim(0), 10);
    set(enable(0, 0), 1 << 10);
    expect(levels()[0]).toBe(false);
    set(claim(0), 10);
    expect(levels()[0]).toBe(true);
  });

  test("each claim is a pending, enabled source that no other claim outranks", () => {
    const sources = fc.uniqueArray(
      fc.record({ source: fc.integer({ min: 1, max: 95 }), level: fc.nat(7), on: fc.boolean(), high: fc.boolean() }),
      { selector: ({ source }) => source },
    );
    fc.assert(
      fc.property(sources, (sources) => {
        ({ device: plic, outputs } = create());
        for (const { source, level, on, high } of sources) {
          if (on) route(source, 0, level);
          plic.line(source).set(high);
        }
        const expected = sources
          .filter(({ level, on, high }) => on && high && level > 0)
          .sort((a, b) => b.level - a.level || a.source - b.source)
          .map(({ source }) => source);
        const claimed = expected.map(() => get(claim(0)));
        expect(claimed).toEqual(expected);
        expect(get(claim(0))).toBe(0);
      }),
    );
  });
});

test("plic: there is no line for source 0 or 96", () => {
  expect(() => plic.line(0)).toThrow("there is no source 0");
  expect(() => plic.line(96)).toThrow("there is no source 96");
});

deviceContract("plic", () => {
  const { device, outputs } = create();
  return {
    device,
    lines: () => outputs.map(({ level }) => level),
    offsets: [0, 1, 10, 95].map(priority).concat(
      [0, 1, 2].map(pending),
      [0, 1, 3].map((context) => enable(context, 0)),
      [0, 1, 3].flatMap((context) => [threshold(context), claim(context)]),
    ),
    disturb: () => {
      for (const source of [10, 11, 95]) device.line(source).set(true);
      device.line(11).set(false);
    },
  };
});

test("plic: a state with pending, claimed and high sources is restored", () => {
  for (const source of [5, 6, 7]) {
    route(source, 1, source);
    plic.line(source).set(true);
  }
  get(claim(1));
  const restored = create();
  restored.device.load(plic.save());
  expect(restored.outputs.map(({ level }) => level)).toEqual([false, true, false, false]);
  restored.device.write(claim(1), 7, 4);
  expect([1, 1, 1, 1].map((context) => restored.device.read(claim(context), 4))).toEqual([7, 6, 5, 0]);
});
