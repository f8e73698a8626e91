import { describe, expect, test } from "vitest";
import { StateHash } from "../../host/machine/state-hash.js";
import type { SavedValue } from "../../host/util/schema.js";
import { FakeRam } from "../devices/fake-ram.js";

const MIB = 1024 * 1024;

function ofRam(byteLength: number, fill: (ram: FakeRam) => void = () => {}): string {
  const ram = new FakeRam(byteLength);
  fill(ram);
  const hash = new StateHash();
  hash.ram(ram);
  return hash.toString();
}

function ofValue(value: SavedValue): string {
  const hash = new StateHash();
  hash.value(value);
  return hash.toString();
}

describe("state hash", () => {
  test("equal contents have equal hashes of 32 hexadecimal digits", () => {
    const fill = (ram: FakeRam): void => ram.writeU32(0x8000_5004, 7);
    expect(ofRam(MIB, fill)).toBe(ofRam(MIB, fill));
    expect(ofRam(MIB, fill)).toMatch(/^[0-9a-f]{32}$/);
  });

  test("every bit of RAM counts, and so do its place and the length", () => {
    const hashes = [
      ofRam(MIB),
      ofRam(2 * MIB),
      ofRam(MIB, (ram) => ram.writeU32(0x8000_0000, 1)),
      ofRam(MIB, (ram) => ram.writeU32(0x8000_0000, 0x8000_0000)),
      ofRam(MIB, (ram) => ram.writeU32(0x8000_0004, 1)),
      ofRam(MIB, (ram) => ram.writeU32(0x8000_1000, 1)),
      ofRam(MIB, (ram) => ram.writeU32(0x8000_2000, 1)),
      ofRam(MIB, (ram) => ram.write(0x800f_ffff, Uint8Array.of(1))),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  test("all digits change with one bit", () => {
    const digits = (bit: number): string => ofRam(MIB, (ram) => ram.writeU32(0x8000_7000, 1 << bit));
    const equal = Array.from(
      { length: 32 },
      (_, bit) => [...digits(bit)].filter((digit, at) => digit === ofRam(MIB)[at]).length,
    );
    expect(Math.max(...equal)).toBeLessThan(12);
  });

  test("saved values count by content, names in any order", () => {
    expect(ofValue({ a: 1, b: "x" })).toBe(ofValue({ b: "x", a: 1 }));
    const values: SavedValue[] = [
      { a: 1, b: "x" },
      { a: 1, b: "y" },
      { a: 1 },
      { a: "1" },
      { a: true },
      { a: null },
      { a: [] },
      { a: [1] },
      { a: [1, 0] },
      { a: new Uint8Array([1]) },
      { a: new Uint8Array([1, 0]) },
      { ab: 1 },
      ["a", 1],
    ];
    expect(new Set(values.map(ofValue)).size).toBe(values.length);
  });
});
