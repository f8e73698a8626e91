import { describe, expect, it } from "vitest";
import {
  exception,
  Guest,
  LOAD_ACCESS,
  MSTATUS_FS,
  PAGE,
  RAM,
  runProgram,
  runToTrap,
  STORE_ACCESS,
} from "../fixture.js";
import { hex, u64 } from "./bench.js";

const DATA = 0xfedc_ba98_7654_3210n;

describe("loads", () => {
  // Little-endian bytes of DATA: 10 32 54 76 98 ba dc fe.
  it.each([
    ["lb a0, 0(a1)", 0x10n],
    ["lb a0, 4(a1)", 0xffff_ffff_ffff_ff98n],
    ["lbu a0, 4(a1)", 0x98n],
    ["lh a0, 0(a1)", 0x3210n],
    ["lh a0, 6(a1)", 0xffff_ffff_ffff_fedcn],
    ["lhu a0, 6(a1)", 0xfedcn],
    ["lw a0, 0(a1)", 0x7654_3210n],
    ["lw a0, 4(a1)", 0xffff_ffff_fedc_ba98n],
    ["lwu a0, 4(a1)", 0xfedc_ba98n],
    ["ld a0, 0(a1)", DATA],
    ["lh a0, 1(a1)", 0x5432n],
    ["lhu a0, 3(a1)", 0x9876n],
    ["lw a0, 1(a1)", 0xffff_ffff_9876_5432n],
    ["lwu a0, 3(a1)", 0xdcba_9876n],
    ["ld a0, 8-8(a1)", DATA],
  ])("%s", async (text, wanted) => {
    const guest = await runProgram(`la a1, data; ${text}; wfi\n.align 3\ndata: .dword ${DATA}`);
    expect(hex(guest.x("a0"))).toBe(hex(wanted));
  });

  it.each([
    [1, 1, "lb", 0xffff_ffff_ffff_ff87n],
    [2, 2, "lh", 0xffff_ffff_ffff_8765n],
    [2, 1, "lhu", 0x8765n],
    [4, 1, "lw", 0xffff_ffff_8765_4321n],
    [4, 2, "lwu", 0x8765_4321n],
    [4, 3, "lw", 0xffff_ffff_8765_4321n],
    [8, 1, "ld", 0x8765_4321_0fed_cba9n],
    [8, 4, "ld", 0x8765_4321_0fed_cba9n],
    [8, 7, "ld", 0x8765_4321_0fed_cba9n],
  ])(
    "of %i bytes with %i before a page's end (%s) give the bytes of both pages",
    async (byteLength, before, name, wanted) => {
      const start = RAM + 2n * BigInt(PAGE) - BigInt(before);
      const guest = await Guest.create(`${name} a0, (a1); ${name} a2, (a1); wfi`, { registers: { a1: start } });
      const bytes = new DataView(new ArrayBuffer(8));
      bytes.setBigUint64(0, 0x8765_4321_0fed_cba9n >> BigInt(64 - 8 * byteLength), true);
      guest.core.ram.write(Number(start), new Uint8Array(bytes.buffer, 0, byteLength));
      guest.run();
      expect([hex(guest.x("a0")), hex(guest.x("a2"))]).toEqual([hex(wanted), hex(wanted)]);
    },
  );

  it("add the offset modulo 2^64", async () => {
    const guest = await runProgram(`li a1, ${RAM + 2048n}; ld a0, -2048(a1); wfi`);
    expect(guest.x("a0")).toBe(guest.dword(RAM));
    const below = await runToTrap("li a1, 2047; lb a0, -2048(a1)");
    expect(exception(below)).toEqual({ cause: LOAD_ACCESS, tval: u64(-1n), pc: RAM + 4n });
  });

  it("into x0 happen, fault and all, and leave x0 alone", async () => {
    const fine = await runProgram("la a1, data; ld zero, (a1); mv a0, zero; wfi\n.align 3\ndata: .dword 5");
    expect(fine.x("a0")).toBe(0n);
    expect(exception(await runToTrap("ld zero, 8(zero)"))).toEqual({ cause: LOAD_ACCESS, tval: 8n, pc: RAM });
  });

  it("that fault leave the destination as it was", async () => {
    const guest = await runToTrap("li a0, 5; ld a0, (zero)");
    expect(guest.x("a0")).toBe(5n);
  });
});

describe("stores", () => {
  const M = 0xffff_ffff_ffff_ffffn;
  it.each([
    ["sb a0, 1(a1)", 0xffff_ffff_ffff_10ffn],
    ["sh a0, 2(a1)", 0xffff_ffff_3210_ffffn],
    ["sh a0, 1(a1)", 0xffff_ffff_ff32_10ffn],
    ["sw a0, 4(a1)", 0x7654_3210_ffff_ffffn],
    ["sw a0, 3(a1)", 0xff76_5432_10ff_ffffn],
    ["sd a0, 0(a1)", DATA],
  ])("%s", async (text, wanted) => {
    const guest = await runProgram(`la a1, data; ${text}; wfi\n.align 3\ndata: .dword ${M}, ${M}`, {
      registers: { a0: DATA },
    });
    expect(hex(guest.dword("data"))).toBe(hex(wanted));
    expect(guest.dword(guest.symbol("data") + 8n)).toBe(M);
  });

  it.each([
    ["sh", 1, 0x3210n],
    ["sw", 1, 0x7654_3210n],
    ["sw", 3, 0x7654_3210n],
    ["sd", 1, DATA],
    ["sd", 4, DATA],
    ["sd", 7, DATA],
  ])("%s with %i bytes before a page's end changes just the bytes of both pages", async (name, before, wanted) => {
    const start = RAM + 2n * BigInt(PAGE) - BigInt(before);
    const byteLength = { sh: 2, sw: 4, sd: 8 }[name]!;
    const guest = await Guest.create(`${name} a0, (a1); wfi`, { registers: { a0: DATA, a1: start } });
    const around = new Uint8Array(24).fill(0xaa);
    guest.core.ram.write(Number(start) - 8, around);
    guest.run();
    guest.core.ram.read(Number(start) - 8, around);
    const expected = new Uint8Array(24).fill(0xaa);
    for (let n = 0; n < byteLength; n++) expected[8 + n] = Number((wanted >> BigInt(8 * n)) & 0xffn);
    expect(around).toEqual(expected);
  });

  it("that would cross the end of RAM fault as a whole, at the address of the part that is missing", async () => {
    const end = RAM + 1024n * 1024n;
    const guest = await runToTrap("sd a0, (a1)", { registers: { a0: M, a1: end - 4n } });
    expect(exception(guest)).toEqual({ cause: STORE_ACCESS, tval: end, pc: RAM });
    expect(guest.core.ram.readU32(Number(end) - 4)).toBe(0);
  });
});

describe("floating-point loads and stores", () => {
  const csrs = { mstatus: MSTATUS_FS };

  it("flw boxes what it loads, fsw stores the low half of whatever is there", async () => {
    const guest = await runProgram(
      "la a1, data; flw fa0, 4(a1); fsw fa1, 8(a1); fsw fa0, 13(a1); wfi\n.align 3\ndata: .dword 0x8000000112345678, 0, 0",
      { csrs, registers: { fa1: 0x1234_5678_9abc_def0n } },
    );
    expect(hex(guest.f("fa0"))).toBe("0xffffffff80000001");
    // Bytes 8 to 11 are the low half of fa1; bytes 13 to 16 are what was loaded, 01 00 00 80.
    expect(hex(guest.dword(guest.symbol("data") + 8n))).toBe("0x1009abcdef0");
    expect(hex(guest.dword(guest.symbol("data") + 16n))).toBe("0x80");
  });

  it("fld and fsd move 64 bits, also across pages", async () => {
    const guest = await Guest.create("fld fa0, (a1); fsd fa0, (a2); wfi", {
      csrs,
      registers: { a1: RAM + 0x1ffdn, a2: RAM + 0x2ffbn },
    });
    guest.writeDword(RAM + 0x1ffdn, DATA);
    guest.run();
    expect([guest.f("fa0"), guest.dword(RAM + 0x2ffbn)]).toEqual([DATA, DATA]);
  });
});
