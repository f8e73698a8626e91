import { beforeAll, describe, expect, it } from "vitest";
import { instructionTable } from "../../../assembly/isa/table.js";
import { exception, ILLEGAL, MSTATUS_FS, MSTATUS_SD, RAM, runProgram, runToTrap } from "../fixture.js";
import { Bench, hex, u64 } from "./bench.js";

// The arithmetic itself is tested in tests/float; here it is the instructions: where operands come from and results
// go, rounding modes, flags, NaN boxing, mstatus.FS. Values by hand from IEEE 754 and "F" and "D" of the manual.

const NX = 1n;
const OF = 4n;
const DZ = 8n;
const NV = 16n;

const BOX = 0xffff_ffff_0000_0000n;
const s = (bits: bigint) => BOX | bits;

const S_1 = 0x3f80_0000n;
const S_2 = 0x4000_0000n;
const S_3 = 0x4040_0000n;
const S_4 = 0x4080_0000n;
const S_5 = 0x40a0_0000n;
const S_7 = 0x40e0_0000n;
const S_MINUS = 0x8000_0000n;
const S_INF = 0x7f80_0000n;
const S_NAN = 0x7fc0_0000n;
const S_SIGNALING = 0x7f80_0001n;

const D_1 = 0x3ff0_0000_0000_0000n;
const D_2 = 0x4000_0000_0000_0000n;
const D_3 = 0x4008_0000_0000_0000n;
const D_4 = 0x4010_0000_0000_0000n;
const D_5 = 0x4014_0000_0000_0000n;
const D_7 = 0x401c_0000_0000_0000n;
const D_MINUS = 1n << 63n;
const D_INF = 0x7ff0_0000_0000_0000n;
const D_NAN = 0x7ff8_0000_0000_0000n;

const M = u64(-1n);
const MIN = 1n << 63n;
const MAX = MIN - 1n;

let bench: Bench;
beforeAll(async () => {
  bench = await Bench.create();
});

/** The bits of fa0 after an instruction over fa1, fa2, fa3 and a1. */
function f(text: string, registers: Readonly<Record<string, bigint>>): string {
  bench.execute(text, registers);
  return hex(bench.f("fa0"));
}
/** a0 after an instruction that has an integer result. */
function x(text: string, registers: Readonly<Record<string, bigint>>): string {
  bench.execute(text, registers);
  return hex(bench.x("a0"));
}

describe("arithmetic takes its operands in order", () => {
  const single = { fa1: s(S_3), fa2: s(S_2), fa3: s(S_1) };
  const double = { fa1: D_3, fa2: D_2, fa3: D_1 };
  it.each([
    ["fadd", "fa1, fa2", S_5, D_5],
    ["fsub", "fa1, fa2", S_1, D_1],
    ["fsub", "fa2, fa1", S_1 | S_MINUS, D_1 | D_MINUS],
    ["fmul", "fa2, fa2", S_4, D_4],
    ["fdiv", "fa1, fa3", S_3, D_3],
    ["fdiv", "fa3, fa2", 0x3f00_0000n, 0x3fe0_0000_0000_0000n],
    ["fsqrt", "fa3", S_1, D_1],
    ["fmin", "fa1, fa2", S_2, D_2],
    ["fmax", "fa2, fa1", S_3, D_3],
    // 3 * 2 + 1, 3 * 2 - 1, -(3 * 2) + 1, -(3 * 2) - 1.
    ["fmadd", "fa1, fa2, fa3", S_7, D_7],
    ["fmsub", "fa1, fa2, fa3", S_5, D_5],
    ["fnmsub", "fa1, fa2, fa3", S_5 | S_MINUS, D_5 | D_MINUS],
    ["fnmadd", "fa1, fa2, fa3", S_7 | S_MINUS, D_7 | D_MINUS],
    ["fmadd", "fa3, fa3, fa2", S_3, D_3],
  ])("%s fa0, %s", (name, operands, wantedSingle, wantedDouble) => {
    expect(f(`${name}.s fa0, ${operands}`, single)).toBe(hex(s(wantedSingle)));
    expect(bench.csr("fflags")).toBe(0n);
    expect(f(`${name}.d fa0, ${operands}`, double)).toBe(hex(wantedDouble));
    expect(bench.csr("fflags")).toBe(0n);
  });
});

describe("signs", () => {
  const registers = { fa1: s(S_2), fa2: s(S_1 | S_MINUS), fa3: s(S_NAN | S_MINUS | 5n) };
  it.each([
    ["fsgnj.s fa0, fa1, fa2", S_2 | S_MINUS],
    ["fsgnjn.s fa0, fa1, fa2", S_2],
    ["fsgnjx.s fa0, fa2, fa2", S_1],
    ["fsgnjn.s fa0, fa2, fa2", S_1],
    // No arithmetic: the payload of a NaN survives.
    ["fsgnj.s fa0, fa3, fa1", S_NAN | 5n],
  ])("%s", (text, wanted) => {
    expect(f(text, registers)).toBe(hex(s(wanted)));
    expect(bench.csr("fflags")).toBe(0n);
  });

  it.each([
    ["fsgnj.d fa0, fa1, fa2", D_2 | D_MINUS],
    ["fsgnjn.d fa0, fa1, fa2", D_2],
    ["fsgnjx.d fa0, fa2, fa2", D_1],
  ])("%s", (text, wanted) => {
    expect(f(text, { fa1: D_2, fa2: D_1 | D_MINUS })).toBe(hex(wanted));
  });
});

describe("a single-precision operand that is not boxed is the canonical NaN", () => {
  const unboxed = { fa1: S_1, fa2: s(S_2), fa3: s(S_1), a1: 0n };
  it.each([
    ["fadd.s fa0, fa1, fa2", s(S_NAN)],
    ["fmadd.s fa0, fa2, fa3, fa1", s(S_NAN)],
    ["fsgnj.s fa0, fa1, fa2", s(S_NAN)],
    ["fsgnjn.s fa0, fa1, fa2", s(S_NAN | S_MINUS)],
    ["fsgnj.s fa0, fa2, fa1", s(S_2)],
    ["fmin.s fa0, fa1, fa2", s(S_2)],
    ["fcvt.d.s fa0, fa1", D_NAN],
  ])("%s", (text, wanted) => {
    expect(f(text, unboxed)).toBe(hex(wanted));
  });

  it.each([
    ["feq.s a0, fa1, fa1", 0n],
    ["fclass.s a0, fa1", 1n << 9n],
    ["fcvt.w.s a0, fa1", 0x7fff_ffffn],
    // FMV.X.W moves bits, whatever the upper half is.
    ["fmv.x.w a0, fa1", S_1],
  ])("%s", (text, wanted) => {
    expect(x(text, unboxed)).toBe(hex(wanted));
  });
});

describe("moves", () => {
  it("fmv.x.w sign-extends, fmv.w.x boxes", () => {
    expect(x("fmv.x.w a0, fa1", { fa1: 0x1234_5678_8000_0001n })).toBe("0xffffffff80000001");
    expect(f("fmv.w.x fa0, a1", { a1: 0x1234_5678_8000_0001n })).toBe("0xffffffff80000001");
  });
  it("fmv.x.d and fmv.d.x move 64 bits", () => {
    expect(x("fmv.x.d a0, fa1", { fa1: 0x7ff0_0000_0000_0001n })).toBe("0x7ff0000000000001");
    expect(f("fmv.d.x fa0, a1", { a1: 0x7ff0_0000_0000_0001n })).toBe("0x7ff0000000000001");
    expect(bench.csr("fflags")).toBe(0n);
  });
});

describe("comparisons", () => {
  it.each([
    ["feq", S_1, S_1, 1n, 0n],
    ["feq", 0n, S_MINUS, 1n, 0n],
    ["feq", S_1, S_NAN, 0n, 0n],
    ["feq", S_1, S_SIGNALING, 0n, NV],
    ["flt", S_1, S_2, 1n, 0n],
    ["flt", S_2, S_1, 0n, 0n],
    ["flt", S_1, S_NAN, 0n, NV],
    ["fle", S_1, S_1, 1n, 0n],
    ["fle", S_NAN, S_NAN, 0n, NV],
    ["fle", S_MINUS, 0n, 1n, 0n],
  ])("%s.s of %i and %i", (name, a, b, wanted, flags) => {
    expect(x(`${name}.s a0, fa1, fa2`, { fa1: s(a), fa2: s(b) })).toBe(hex(wanted));
    expect(bench.csr("fflags")).toBe(flags);
  });

  it.each([
    ["feq", D_1, D_1, 1n, 0n],
    ["flt", D_1, D_2, 1n, 0n],
    ["flt", D_1, D_NAN, 0n, NV],
    ["fle", D_2, D_1, 0n, 0n],
    ["fle", D_1 | D_MINUS, D_1, 1n, 0n],
  ])("%s.d of %i and %i", (name, a, b, wanted, flags) => {
    expect(x(`${name}.d a0, fa1, fa2`, { fa1: a, fa2: b })).toBe(hex(wanted));
    expect(bench.csr("fflags")).toBe(flags);
  });

  it("minimum and maximum prefer a number to a NaN, and -0 is less than 0", () => {
    expect(f("fmin.s fa0, fa1, fa2", { fa1: s(S_NAN), fa2: s(S_1) })).toBe(hex(s(S_1)));
    expect(f("fmax.d fa0, fa1, fa2", { fa1: D_NAN, fa2: D_NAN })).toBe(hex(D_NAN));
    expect(f("fmin.d fa0, fa1, fa2", { fa1: 0n, fa2: D_MINUS })).toBe(hex(D_MINUS));
    expect(f("fmax.d fa0, fa1, fa2", { fa1: 0n, fa2: D_MINUS })).toBe("0x0");
    expect(f("fmax.s fa0, fa1, fa2", { fa1: s(S_SIGNALING), fa2: s(S_1) })).toBe(hex(s(S_1)));
    expect(bench.csr("fflags")).toBe(NV);
  });
});

describe("fclass", () => {
  it.each([
    [0, S_INF | S_MINUS, D_INF | D_MINUS],
    [1, S_1 | S_MINUS, D_1 | D_MINUS],
    [2, S_MINUS | 1n, D_MINUS | 1n],
    [3, S_MINUS, D_MINUS],
    [4, 0n, 0n],
    [5, 1n, 1n],
    [6, S_1, D_1],
    [7, S_INF, D_INF],
    [8, S_SIGNALING, D_INF | 1n],
    [9, S_NAN, D_NAN],
  ])("sets bit %i", (bit, single, double) => {
    expect(x("fclass.s a0, fa1", { fa1: s(single) })).toBe(hex(1n << BigInt(bit)));
    expect(x("fclass.d a0, fa1", { fa1: double })).toBe(hex(1n << BigInt(bit)));
    expect(bench.csr("fflags")).toBe(0n);
  });
});

describe("conversions to integers saturate and raise NV", () => {
  const D_MINUS_1 = D_1 | D_MINUS;
  it.each([
    // Table "Domains of float-to-integer conversions and behavior for invalid inputs".
    ["fcvt.w.d", D_NAN, 0x7fff_ffffn, NV],
    ["fcvt.w.d", D_INF, 0x7fff_ffffn, NV],
    ["fcvt.w.d", D_INF | D_MINUS, 0xffff_ffff_8000_0000n, NV],
    ["fcvt.w.d", 0x41e0_0000_0000_0000n, 0x7fff_ffffn, NV], // 2^31
    ["fcvt.w.d", 0xc1e0_0000_0000_0000n, 0xffff_ffff_8000_0000n, 0n], // -2^31
    ["fcvt.wu.d", D_NAN, M, NV],
    ["fcvt.wu.d", D_MINUS_1, 0n, NV],
    ["fcvt.wu.d", 0x41f0_0000_0000_0000n, M, NV], // 2^32
    ["fcvt.wu.d", 0x41e0_0000_0000_0000n, 0xffff_ffff_8000_0000n, 0n], // 2^31, sign-extended from 32 bits
    ["fcvt.l.d", D_NAN, MAX, NV],
    ["fcvt.l.d", 0x43e0_0000_0000_0000n, MAX, NV], // 2^63
    ["fcvt.l.d", 0xc3e0_0000_0000_0000n, MIN, 0n],
    ["fcvt.l.d", D_INF | D_MINUS, MIN, NV],
    ["fcvt.lu.d", D_NAN, M, NV],
    ["fcvt.lu.d", D_MINUS_1, 0n, NV],
    ["fcvt.lu.d", 0x43f0_0000_0000_0000n, M, NV], // 2^64
    ["fcvt.lu.d", 0x43e0_0000_0000_0000n, MIN, 0n],
    ["fcvt.lu.d", 0xbfe0_0000_0000_0000n, 0n, NX], // -0.5 to nearest even
    ["fcvt.w.d", 0x4004_0000_0000_0000n, 2n, NX], // 2.5 to nearest even
  ])("%s of %i", (name, operand, wanted, flags) => {
    expect(x(`${name} a0, fa1`, { fa1: operand })).toBe(hex(wanted));
    expect(bench.csr("fflags")).toBe(flags);
  });

  it.each([
    ["fcvt.w.s", S_NAN | S_MINUS, 0x7fff_ffffn, NV],
    ["fcvt.wu.s", S_1 | S_MINUS, 0n, NV],
    ["fcvt.l.s", 0x5f00_0000n, MAX, NV], // 2^63
    ["fcvt.lu.s", 0x5f00_0000n, MIN, 0n],
    ["fcvt.lu.s", S_INF, M, NV],
    ["fcvt.w.s", 0x4f00_0000n, 0x7fff_ffffn, NV], // 2^31
  ])("%s of %i", (name, operand, wanted, flags) => {
    expect(x(`${name} a0, fa1`, { fa1: s(operand) })).toBe(hex(wanted));
    expect(bench.csr("fflags")).toBe(flags);
  });
});

describe("conversions from integers and between formats", () => {
  it.each([
    ["fcvt.s.w", M, s(S_1 | S_MINUS), 0n],
    ["fcvt.s.w", 0x1_0000_0001n, s(S_1), 0n],
    ["fcvt.s.wu", M, s(0x4f80_0000n), NX], // 2^32 - 1 rounds to 2^32
    ["fcvt.s.l", MIN, s(0xdf00_0000n), 0n],
    ["fcvt.s.lu", M, s(0x5f80_0000n), NX],
    ["fcvt.d.w", M, D_1 | D_MINUS, 0n],
    ["fcvt.d.wu", M, 0x41ef_ffff_ffe0_0000n, 0n],
    ["fcvt.d.l", M, D_1 | D_MINUS, 0n],
    ["fcvt.d.lu", M, 0x43f0_0000_0000_0000n, NX],
  ])("%s of %i", (name, operand, wanted, flags) => {
    expect(f(`${name} fa0, a1`, { a1: operand })).toBe(hex(wanted));
    expect(bench.csr("fflags")).toBe(flags);
  });

  it("narrowing rounds and boxes, widening is exact", () => {
    expect(f("fcvt.s.d fa0, fa1", { fa1: 0x3ff0_0000_1000_0001n })).toBe(hex(s(S_1 | 1n)));
    expect(bench.csr("fflags")).toBe(NX);
    expect(f("fcvt.d.s fa0, fa1", { fa1: s(1n) })).toBe("0x36a0000000000000");
    expect(f("fcvt.s.d fa0, fa1", { fa1: D_NAN | D_MINUS | 1n })).toBe(hex(s(S_NAN)));
    expect(f("fcvt.d.s fa0, fa1", { fa1: s(S_SIGNALING) })).toBe(hex(D_NAN));
    expect(bench.csr("fflags")).toBe(NV);
  });
});

describe("rounding modes", () => {
  // 1 + 2^-24 lies half way between two single-precision numbers; -(1 + 2^-24) as well.
  const half = { fa1: s(S_1), fa2: s(0x3380_0000n) };
  const minus = { fa1: s(S_1 | S_MINUS), fa2: s(0xb380_0000n) };
  it.each([
    ["rne", S_1, S_1],
    ["rtz", S_1, S_1],
    ["rdn", S_1, S_1 | 1n],
    ["rup", S_1 | 1n, S_1],
    ["rmm", S_1 | 1n, S_1 | 1n],
  ])("%s, in the instruction or in frm", async (mode, wanted, wantedMagnitude) => {
    const number = ["rne", "rtz", "rdn", "rup", "rmm"].indexOf(mode);
    for (const [registers, bits] of [
      [half, wanted],
      [minus, wantedMagnitude | S_MINUS],
    ] as const) {
      expect(f(`fadd.s fa0, fa1, fa2, ${mode}`, registers)).toBe(hex(s(bits)));
      expect(bench.csr("fflags")).toBe(NX);
      const guest = await runProgram(`fsrmi ${number}; fadd.s fa0, fa1, fa2; wfi`, {
        registers,
        csrs: { mstatus: MSTATUS_FS },
      });
      expect(hex(guest.f("fa0"))).toBe(hex(s(bits)));
    }
  });

  it.each([
    ["reserved mode 5 in the instruction", ".word 0x00c5d553", 0n],
    ["reserved mode 6 in the instruction", ".word 0x00c5e553", 0n],
    ["mode 5 in frm", "fadd.s fa0, fa1, fa2", 5n],
    ["mode 7 in frm", "fsqrt.d fa0, fa1", 7n],
    ["mode 6 in frm, though fcvt.d.w never rounds", "fcvt.d.w fa0, a1, dyn", 6n],
  ])("%s is illegal", async (_, text, frm) => {
    const guest = await runToTrap(text, { csrs: { mstatus: MSTATUS_FS, frm } });
    expect(exception(guest)).toEqual({ cause: ILLEGAL, tval: BigInt(guest.core.ram.readU32(Number(RAM))), pc: RAM });
  });

  it("a reserved frm does not matter to an instruction with a mode of its own, or with none", async () => {
    const guest = await runProgram("fadd.s fa0, fa1, fa2, rup; fsgnj.s fa3, fa1, fa1; feq.s a0, fa1, fa1; wfi", {
      registers: half,
      csrs: { mstatus: MSTATUS_FS, frm: 5n },
    });
    expect([guest.f("fa0"), guest.f("fa3"), guest.x("a0")]).toEqual([s(S_1 | 1n), s(S_1), 1n]);
  });
});

describe("flags", () => {
  it("accrue until they are cleared", async () => {
    const guest = await runProgram(
      "fdiv.d fa0, fa1, fa2; frflags a0; fadd.d fa0, fa3, fa3; frflags a1; fsflags a2, zero; frflags a3; wfi",
      { csrs: { mstatus: MSTATUS_FS }, registers: { fa1: D_1, fa2: 0n, fa3: 0x7fef_ffff_ffff_ffffn } },
    );
    expect([guest.x("a0"), guest.x("a1"), guest.x("a2"), guest.x("a3")]).toEqual([DZ, DZ | OF | NX, DZ | OF | NX, 0n]);
  });

  it("and the rounding mode are the parts of fcsr", async () => {
    const guest = await runProgram("li a0, -1; fscsr a0; frcsr a1; frrm a2; frflags a3; fsrmi 2; frcsr a4; wfi", {
      csrs: { mstatus: MSTATUS_FS },
    });
    expect(["a1", "a2", "a3", "a4"].map((r) => guest.x(r))).toEqual([0xffn, 7n, 31n, 0x5fn]);
  });
});

describe("mstatus.FS", () => {
  const INITIAL = 1n << 13n;
  const CLEAN = 2n << 13n;

  const floating = instructionTable.filter((row) => ["F", "D"].includes(row.extension));
  it.each(floating.map((row) => row.mnemonic))("Off makes %s illegal", async (mnemonic) => {
    const { encoding } = floating.find((row) => row.mnemonic === mnemonic)!;
    const guest = await runToTrap(`.word ${encoding.match}`);
    expect(exception(guest)).toEqual({ cause: ILLEGAL, tval: BigInt(encoding.match), pc: RAM });
  });

  it.each(["csrr a0, fcsr", "csrr a0, frm", "csrwi fflags, 0", "c.fld fa0, 0(a0)", "c.fsdsp fa0, 0(sp)"])(
    "Off makes %s illegal",
    async (text) => {
      expect(exception(await runToTrap(text)).cause).toBe(ILLEGAL);
    },
  );

  it.each([INITIAL, CLEAN])("%i stays while nothing is written", async (fs) => {
    const guest = await runProgram(
      "fmv.x.d a0, fa0; fsd fa0, (a1); csrr a2, fcsr; feq.d a0, fa0, fa0; fclass.d a0, fa0; wfi",
      {
        csrs: { mstatus: fs },
        registers: { a1: RAM + 0x1000n },
      },
    );
    expect(guest.csr("mstatus") & (MSTATUS_FS | MSTATUS_SD)).toBe(fs);
  });

  it.each([
    "fadd.s fa0, fa1, fa1",
    "fld fa0, (a1)",
    "flw fa0, (a1)",
    "fmv.d.x fa0, a0",
    "fsgnj.s fa0, fa1, fa1",
    "fcvt.d.w fa0, a0",
    "csrwi fflags, 0",
    "csrwi frm, 0",
    "fscsr zero",
    "flt.d a0, fa1, fa1", // raises NV
    "fcvt.w.d a0, fa1",
  ])("becomes Dirty, and SD 1, after %s", async (text) => {
    const guest = await runProgram(`${text}; wfi`, {
      csrs: { mstatus: INITIAL },
      registers: { a1: RAM, fa1: D_NAN },
    });
    expect(guest.csr("mstatus") & (MSTATUS_FS | MSTATUS_SD)).toBe(MSTATUS_FS | MSTATUS_SD);
    expect(guest.csr("sstatus") & (MSTATUS_FS | MSTATUS_SD)).toBe(MSTATUS_FS | MSTATUS_SD);
  });
});
