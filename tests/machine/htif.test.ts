import { beforeEach, describe, expect, test } from "vitest";
import { Htif } from "../../host/machine/htif.js";
import { FakeRam } from "../devices/fake-ram.js";

const TOHOST = 0x8000_1000;
const FROMHOST = 0x8000_1040;
const CALL = 0x8000_2000;

let ram: FakeRam;
let output: string;
let htif: Htif;

beforeEach(() => {
  ram = new FakeRam(0x1_0000);
  output = "";
  htif = new Htif(
    ram,
    { tohost: TOHOST, fromhost: FROMHOST },
    {
      write: (bytes) => {
        output += Buffer.from(bytes).toString("latin1");
      },
    },
  );
});

function request(value: bigint): ReturnType<Htif["poll"]> {
  ram.writeU64(TOHOST, value);
  return htif.poll();
}

function systemCall(...fields: readonly bigint[]): bigint {
  for (const [index, field] of fields.entries()) ram.writeU64(CALL + index * 8, BigInt.asUintN(64, field));
  expect(request(BigInt(CALL))).toBeNull();
  return BigInt.asIntN(64, ram.readU64(CALL));
}

describe("htif", () => {
  test("1 is success, another odd value the number of the failed test", () => {
    expect(request(0n)).toBeNull();
    expect(request(1n)).toEqual({ exitCode: 0, testNumber: 0 });
    expect(request((7n << 1n) | 1n)).toEqual({ exitCode: 1, testNumber: 7 });
  });

  test("the console writes a character and is ready for the next", () => {
    for (const character of "hi") {
      expect(request((1n << 56n) | (1n << 48n) | BigInt(character.charCodeAt(0)))).toBeNull();
      expect(ram.readU64(TOHOST)).toBe(0n);
    }
    expect(output).toBe("hi");
  });

  test("the write system call writes memory and answers through fromhost", () => {
    ram.write(0x8000_3000, Buffer.from("hello"));
    expect(systemCall(64n, 1n, 0x8000_3000n, 5n)).toBe(5n);
    expect(output).toBe("hello");
    expect([ram.readU64(TOHOST), ram.readU64(FROMHOST)]).toEqual([0n, 1n]);
  });

  test("the exit system call ends the program with its code", () => {
    ram.writeU64(CALL, 93n);
    ram.writeU64(CALL + 8, 5n);
    expect(request(BigInt(CALL))).toEqual({ exitCode: 1, testNumber: 5 });
  });

  test.each([
    ["another descriptor", [64n, 0n, 0x8000_3000n, 1n], -9n],
    ["memory that is not there", [64n, 1n, 0x1000n, 1n], -14n],
    ["more than all memory", [64n, 1n, 0x8000_0000n, 1n << 63n], -14n],
    ["another system call", [1024n, 0n, 0n, 0n], -38n],
  ])("a call with %s fails with its errno", (_, fields, errno) => {
    expect(systemCall(...fields)).toBe(errno);
    expect(output).toBe("");
  });

  test("nonsense is taken and ignored", () => {
    for (const value of [0x1000n, 0x8000_fff0n, 0x7000_0000_0000_0001n, (1n << 56n) | (5n << 48n), 1n << 63n]) {
      expect(request(value)).toBeNull();
      expect(ram.readU64(TOHOST)).toBe(0n);
    }
  });
});
