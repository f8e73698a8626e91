/** Opcodes by hand from the tables of the WebAssembly core specification 2.0, "Instructions" and "Modules". */
import { expect, test } from "vitest";
import { wasm } from "../../host/core/wasm.js";
import { functionText, indented, readRegionModule } from "../../host/core/wasm-text.js";

const textOf = (...bytes: number[]) => indented(functionText(Uint8Array.from(bytes)));

test("wasm text: structured instructions are indented, their labels numbered, and branches name them", () => {
  const body = [
    ...[0x02, 0x01, 0x7f, 0x02, 0x7e], // one i32, two i64
    ...[0x02, 0x40, 0x03, 0x40, 0x20, 0x00, 0x0d, 0x01, 0x0c, 0x00, 0x0b, 0x0b], // block loop local.get br_if br
    ...[0x20, 0x00, 0x04, 0x7e, 0x42, 0x01, 0x05, 0x42, 0x7f, 0x0b, 0x0f, 0x0b], // if (result i64) else, return
  ];
  expect(textOf(...body)).toEqual([
    ";; locals i32 * 1, i64 * 2",
    "  block $block0",
    "    loop $loop1",
    "      local.get 0",
    "      br_if $block0",
    "      br $loop1",
    "    end $loop1",
    "  end $block0",
    "  local.get 0",
    "  if $if2 (result i64)",
    "    i64.const 1",
    "  else $if2",
    "    i64.const -1",
    "  end $if2",
    "  return",
    "end $end",
  ]);
});

test.each([
  ["i32.eqz", [0x45]],
  ["i32.ge_u", [0x4f]],
  ["i64.eqz", [0x50]],
  ["i64.ge_u", [0x5a]],
  ["f32.eq", [0x5b]],
  ["f64.eq", [0x61]],
  ["f64.ge", [0x66]],
  ["i32.clz", [0x67]],
  ["i32.add", [0x6a]],
  ["i32.rotr", [0x78]],
  ["i64.clz", [0x79]],
  ["i64.mul", [0x7e]],
  ["i64.rotr", [0x8a]],
  ["f32.abs", [0x8b]],
  ["f32.copysign", [0x98]],
  ["f64.abs", [0x99]],
  ["f64.copysign", [0xa6]],
  ["i32.wrap_i64", [0xa7]],
  ["i64.extend_i32_u", [0xad]],
  ["f32.demote_f64", [0xb6]],
  ["f64.promote_f32", [0xbb]],
  ["f64.reinterpret_i64", [0xbf]],
  ["i32.extend8_s", [0xc0]],
  ["i64.extend32_s", [0xc4]],
  ["i64.trunc_sat_f64_u", [0xfc, 0x07]],
  ["f64x2.splat", [0xfd, 0x14]],
  ["f64x2.extract_lane 1", [0xfd, 0x21, 0x01]],
  ["f64x2.relaxed_madd", [0xfd, 0x87, 0x02]],
  ["i32.const 4095", [0x41, 0xff, 0x1f]],
  ["i32.const 0x1000", [0x41, 0x80, 0x20]],
  ["i64.const -0x8000000000000000", [0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f]],
  ["f64.const 1.5", [0x44, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f]],
  ["f32.const -inf", [0x43, 0, 0, 0x80, 0xff]],
  ["i64.load32_u offset=0x10 align=4", [0x35, 0x02, 0x10]],
  ["i64.store8 align=1", [0x3c, 0x00, 0x00]],
  ["f64.store offset=0x80 align=8", [0x39, 0x03, 0x80, 0x01]],
  ["call_indirect 0 (type 2)", [0x11, 0x02, 0x00]],
  ["local.tee 3", [0x22, 0x03]],
  ["select", [0x1b]],
] as const)("wasm text: %s", (text, bytes) => {
  expect(textOf(0x00, ...bytes, 0x0b)).toEqual([";; locals ", `  ${text}`, "end $end"]);
});

test("wasm text: names stand for indices where there are any", () => {
  const names = { local: (n: number) => (n === 1 ? "$count" : undefined), function: (n: number) => `$f${n}` };
  const body = Uint8Array.from([0x00, 0x20, 0x01, 0x20, 0x02, 0x10, 0x07, 0x0b]);
  expect(indented(functionText(body, names)).slice(1, -1)).toEqual([
    "  local.get $count",
    "  local.get 2",
    "  call $f7",
  ]);
});

test("wasm text: what is unknown or ends too soon is a RangeError, not a guess", () => {
  expect(() => textOf(0x00, 0x3f, 0x00, 0x0b)).toThrow(RangeError); // memory.size
  expect(() => textOf(0x00, 0x20)).toThrow(RangeError);
  expect(() => textOf(0x00, 0x01)).toThrow(RangeError);
});

test("wasm text: of a module, its functions' bodies, the index of the first and its slot in the table", () => {
  const section = (id: number, ...content: number[]) => [id, content.length, ...content];
  const name = (letter: string) => [1, letter.charCodeAt(0)];
  const module = Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, 1, 0x60, 0, 0),
    ...section(
      2,
      3,
      ...name("e"),
      ...name("m"),
      2,
      0,
      1,
      ...name("e"),
      ...name("t"),
      1,
      0x70,
      0,
      9,
      ...name("e"),
      ...name("f"),
      0,
      0,
    ),
    ...section(3, 2, 0, 0),
    ...section(9, 1, 0, 0x41, 7, 0x0b, 2, 1, 2),
    ...section(10, 2, 2, 0x00, 0x0b, 3, 0x00, 0x01, 0x0b),
  ]);
  expect(wasm.validate(module)).toBe(true);
  const { firstSlot, firstFunction, bodies } = readRegionModule(module);
  expect({ firstSlot, firstFunction, bodies: bodies.map((body) => [...body]) }).toEqual({
    firstSlot: 7,
    firstFunction: 1,
    bodies: [
      [0x00, 0x0b],
      [0x00, 0x01, 0x0b],
    ],
  });
});
