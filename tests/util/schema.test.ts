import fc from "fast-check";
import { describe, expect, expectTypeOf, test } from "vitest";
import { VivariumError } from "../../host/util/errors.js";
import {
  bytes,
  choice,
  component,
  decode,
  encode,
  flag,
  list,
  optional,
  type SavedFields,
  type StateOf,
  schema,
  struct,
  table,
  text,
  u8,
  u16,
  u32,
  u64,
  uint,
} from "../../host/util/schema.js";

const exampleSchema = schema("example", 1, {
  control: u8("a byte"),
  divisor: u16("a half-word"),
  address: u32("a word"),
  time: u64("a double-word"),
  level: uint("a priority", 7),
  enabled: flag("a bit"),
  mode: choice("a word", ["started", "stopped"]),
  received: bytes("a FIFO", 16),
  label: text("a name", 8),
  queues: list("a list", struct("a queue", { head: u16("an index"), ready: flag("a bit") }), 2),
  counters: table("one each", u8("a counter"), 3),
  latched: optional(u32("a latch")),
});
type Example = StateOf<typeof exampleSchema.fields>;

const example: Example = {
  control: 0xff,
  divisor: 0xffff,
  address: 0xffff_ffff,
  time: 0xffff_ffff_ffff_ffffn,
  level: 7,
  enabled: true,
  mode: "stopped",
  received: Uint8Array.of(1, 2, 3),
  label: "hvc0",
  queues: [{ head: 1, ready: true }],
  counters: [1, 2, 3],
  latched: null,
};

function saved(change: Record<string, unknown> = {}): unknown {
  const state = encode(exampleSchema, example);
  return { ...state, fields: { ...state.fields, ...change } };
}

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(VivariumError);
    expect((error as VivariumError).code).toBe("bad-state");
    return (error as VivariumError).message;
  }
  throw new Error("nothing was thrown");
}

describe("schema: round trip", () => {
  test("the state's type follows from the fields", () => {
    expectTypeOf<Example["divisor"]>().toEqualTypeOf<number>();
    expectTypeOf<Example["time"]>().toEqualTypeOf<bigint>();
    expectTypeOf<Example["mode"]>().toEqualTypeOf<"started" | "stopped">();
    expectTypeOf<Example["queues"]>().toEqualTypeOf<readonly { readonly head: number; readonly ready: boolean }[]>();
    expectTypeOf<Example["latched"]>().toEqualTypeOf<number | null>();
  });

  test("decode gives back what encode was given", () => {
    expect(decode(exampleSchema, encode(exampleSchema, example))).toEqual(example);
  });

  test("what is saved is JSON but for the bytes, and carries name and version", () => {
    const state = encode(exampleSchema, example);
    expect(state).toMatchObject({ name: "example", version: 1, fields: { time: "0xffffffffffffffff" } });
    const { received: _received, ...rest } = state.fields;
    expect(JSON.parse(JSON.stringify(rest))).toEqual(rest);
  });

  test("decode copies bytes", () => {
    const received = Uint8Array.of(1, 2);
    const state = decode(exampleSchema, saved({ received }));
    received[0] = 9;
    expect(state.received).toEqual(Uint8Array.of(1, 2));
  });
});

describe("schema: wrong data is refused with component, field and what was expected", () => {
  test.each([
    [{ divisor: 70000 }, "example.divisor: expected an unsigned 16-bit integer, got 70000"],
    [{ control: -1 }, "example.control: expected an unsigned 8-bit integer, got -1"],
    [{ control: 256 }, "example.control: expected an unsigned 8-bit integer, got 256"],
    [{ control: 1.5 }, "example.control: expected an unsigned 8-bit integer, got 1.5"],
    [{ control: Number.NaN }, "example.control: expected an unsigned 8-bit integer, got NaN"],
    [{ control: "1" }, 'example.control: expected an unsigned 8-bit integer, got "1"'],
    [{ address: 2 ** 32 }, "example.address: expected an unsigned 32-bit integer, got 4294967296"],
    [{ level: 8 }, "example.level: expected an integer from 0 to 7, got 8"],
    [{ time: "0x1ffffffffffffffff" }, "example.time: expected an unsigned 64-bit integer as a hexadecimal string"],
    [{ time: 1 }, "example.time: expected an unsigned 64-bit integer as a hexadecimal string, got 1"],
    [{ enabled: 1 }, "example.enabled: expected true or false, got 1"],
    [{ mode: "paused" }, 'example.mode: expected one of started, stopped, got "paused"'],
    [{ received: new Uint8Array(17) }, "example.received: expected at most 16 bytes, got 17 bytes"],
    [{ received: [1] }, "example.received: expected at most 16 bytes, got a list of 1 items"],
    [{ label: "x".repeat(9) }, 'example.label: expected a text of at most 8 characters, got "xxxxxxxxx"'],
    [{ queues: {} }, "example.queues: expected a list of at most 2 items, got an object"],
    [{ queues: [null] }, "example.queues[0]: expected an object, got null"],
    [{ queues: [{ head: 0, ready: 2 }] }, "example.queues[0].ready: expected true or false, got 2"],
    [{ queues: [{ head: 0 }] }, "example.queues[0].ready: expected true or false, but it is missing"],
    [{ counters: [1, 2] }, "example.counters: expected a list of 3 items, got a list of 2 items"],
    [{ counters: [1, 2, 300] }, "example.counters[2]: expected an unsigned 8-bit integer, got 300"],
    [{ counters: new Array(3) }, "example.counters[0]: expected an unsigned 8-bit integer, got undefined"],
    [{ latched: "no" }, 'example.latched: expected an unsigned 32-bit integer, got "no"'],
  ])("%o", (change, message) => {
    expect(messageOf(() => decode(exampleSchema, saved(change)))).toContain(message);
  });

  test("an unknown field", () => {
    expect(messageOf(() => decode(exampleSchema, saved({ spare: 1 })))).toMatch(
      /^example: unknown field "spare"; known are control, /,
    );
    expect(messageOf(() => decode(exampleSchema, saved({ toString: 1 })))).toContain('unknown field "toString"');
  });

  test("a missing field", () => {
    const state = encode(exampleSchema, example);
    const { divisor: _divisor, ...fields } = state.fields;
    expect(messageOf(() => decode(exampleSchema, { ...state, fields }))).toBe(
      "example.divisor: expected an unsigned 16-bit integer, but it is missing",
    );
  });

  test("a state of another component", () => {
    expect(messageOf(() => decode(exampleSchema, { ...encode(exampleSchema, example), name: "plic" }))).toBe(
      'example: expected the state of example, got that of "plic"',
    );
  });

  test("a newer version, and versions that are none", () => {
    const state = encode(exampleSchema, example);
    expect(messageOf(() => decode(exampleSchema, { ...state, version: 2 }))).toBe(
      "example: expected a state of version 1 to 1, got version 2",
    );
    for (const version of [0, -1, 0.5, "1", undefined]) {
      expect(messageOf(() => decode(exampleSchema, { ...state, version }))).toContain(
        "expected a state of version 1 to 1",
      );
    }
  });

  test("anything at all", () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        messageOf(() => decode(exampleSchema, value));
        messageOf(() => decode(exampleSchema, { name: "example", version: 1, fields: value }));
      }),
    );
  });
});

describe("schema: upgrades", () => {
  const addReceived = (old: SavedFields): SavedFields => ({ ...old, received: new Uint8Array() });
  const renameDivisor = ({ divisor, ...old }: SavedFields): SavedFields => ({ ...old, baud: divisor! });
  const third = schema(
    "uart",
    3,
    { baud: u16("divisor"), received: bytes("FIFO", 16) },
    {
      1: addReceived,
      2: renameDivisor,
    },
  );

  test("each older version is brought up step by step", () => {
    const state = { baud: 5, received: new Uint8Array() };
    expect(decode(third, { name: "uart", version: 1, fields: { divisor: 5 } })).toEqual(state);
    expect(decode(third, { name: "uart", version: 2, fields: { divisor: 5, received: new Uint8Array() } })).toEqual(
      state,
    );
    expect(decode(third, { name: "uart", version: 3, fields: state })).toEqual(state);
  });

  test("what an upgrade makes of wrong data is still checked", () => {
    expect(messageOf(() => decode(third, { name: "uart", version: 1, fields: { divisor: -5 } }))).toBe(
      "uart.baud: expected an unsigned 16-bit integer, got -5",
    );
    expect(messageOf(() => decode(third, { name: "uart", version: 1, fields: null }))).toContain("expected an object");
  });

  test("a component within a component keeps its own version", () => {
    const board = schema("board", 1, { uart: component("the serial port", third) });
    const state = { uart: { baud: 5, received: new Uint8Array() } };
    expect(decode(board, encode(board, state))).toEqual(state);
    const old = { name: "uart", version: 1, fields: { divisor: 5 } };
    expect(decode(board, { name: "board", version: 1, fields: { uart: old } })).toEqual(state);
    expect(
      messageOf(() => decode(board, { name: "board", version: 1, fields: { uart: { ...old, version: 4 } } })),
    ).toBe("uart: expected a state of version 1 to 3, got version 4");
  });

  test("a version without its upgrade is our own mistake", () => {
    expect(() => schema("uart", 2, {})).toThrow("uart: no upgrade from version 1");
  });
});
