import { describe, expect, it } from "vitest";
import { csrs, isReadOnly } from "../../assembly/isa/csrs.js";
import {
  exception,
  Guest,
  ILLEGAL,
  MACHINE,
  MSTATUS_FS,
  MSTATUS_MPP,
  OPEN_PMP,
  RAM,
  runProgram,
  runToTrap,
  SUPERVISOR,
  SUPERVISOR_ECALL,
  USER,
  USER_ECALL,
} from "./fixture.js";
import { hex, u64 } from "./semantics/bench.js";

// Unprivileged ISA, "Zicsr"; Privileged ISA, "Control and Status Registers" and "Machine-Level CSRs".

const ONES = u64(-1n);

/** Whether an access traps as an illegal instruction; else the environment call behind it is what traps. */
async function isIllegal(
  text: string,
  privilege: number,
  values: Readonly<Record<string, bigint>> = {},
): Promise<boolean> {
  const guest = await runToTrap(`${text}; ecall`, { privilege, csrs: { ...OPEN_PMP, mstatus: MSTATUS_FS, ...values } });
  const { cause, pc } = exception(guest);
  if (cause === ILLEGAL && pc === RAM) return true;
  expect([MACHINE, SUPERVISOR, USER].map((mode) => 8n + BigInt(mode))).toContain(cause);
  return false;
}

describe("CSR instructions", () => {
  it.each([
    ["csrrw a0, mscratch, a1", 0xf0n, 0xffn],
    ["csrrs a0, mscratch, a1", 0xf0n, 0xffn],
    ["csrrc a0, mscratch, a1", 0xf0n, 0x00n],
    ["csrrwi a0, mscratch, 31", 0xf0n, 0x1fn],
    ["csrrsi a0, mscratch, 31", 0xf0n, 0xffn],
    ["csrrci a0, mscratch, 16", 0xf0n, 0xe0n],
    ["csrrs a0, mscratch, zero", 0xf0n, 0xf0n],
    ["csrrc a0, mscratch, zero", 0xf0n, 0xf0n],
    ["csrrw a0, mscratch, zero", 0xf0n, 0n],
  ])("%s", async (text, old, wanted) => {
    const guest = await runProgram(`${text}; wfi`, { csrs: { mscratch: old }, registers: { a1: 0xffn } });
    expect([guest.x("a0"), guest.csr("mscratch")]).toEqual([old, wanted]);
  });

  it("may read and write the same register, or discard what they read", async () => {
    const guest = await runProgram("csrrw a0, mscratch, a0; csrrw zero, sscratch, a1; csrrs zero, sscratch, a0; wfi", {
      csrs: { mscratch: 5n },
      registers: { a0: 6n, a1: 8n },
    });
    expect([guest.x("a0"), guest.csr("mscratch"), guest.csr("sscratch"), guest.x("zero")]).toEqual([5n, 6n, 13n, 0n]);
  });

  it.each(["csrrs a0, mhartid, zero", "csrrc a0, mhartid, zero", "csrrsi a0, mhartid, 0", "csrrci a0, mhartid, 0"])(
    "%s writes nothing, so that a read-only register does not mind",
    async (text) => {
      expect(await isIllegal(text, MACHINE)).toBe(false);
    },
  );

  it.each([
    "csrrw a0, mhartid, zero",
    "csrrwi a0, mhartid, 0",
    "csrrs a0, mhartid, a1",
    "csrrci a0, mhartid, 1",
    "csrrw zero, cycle, zero",
    // rs1 is what counts, not its value.
    "csrrc zero, mvendorid, a7",
  ])("%s is an attempt to write a read-only register", async (text) => {
    expect(await isIllegal(text, MACHINE)).toBe(true);
  });

  it("that trap write no register", async () => {
    const guest = await runToTrap("csrrw a0, mhartid, a1", { registers: { a0: 7n } });
    expect(guest.x("a0")).toBe(7n);
  });
});

describe("each of the 4,096 numbers", () => {
  it("can be read in machine mode when the table has it, and traps when not", async () => {
    // A handler steps over the instruction and counts; the loop writes the next number into the instruction.
    const known = new Map(csrs.map((csr) => [csr.number, csr.name]));
    const guest = await Guest.create(
      `access: .word 0
      j .
      .align 2
      trap: csrr t0, mepc; addi t0, t0, 4; csrw mepc, t0; csrr a0, mcause; mret`,
      { csrs: { mstatus: MSTATUS_FS } },
    );
    const wrong: string[] = [];
    for (let number = 0; number < 4096; number++) {
      const word = new DataView(new ArrayBuffer(4));
      word.setUint32(0, ((number << 20) | 0x2073) >>> 0, true); // csrrs zero, number, zero
      guest.core.ram.write(Number(RAM), new Uint8Array(word.buffer));
      guest.setCsr("mtvec", guest.symbol("trap"));
      guest.setCsr("mcause", 0n);
      guest.hart.start(RAM, MACHINE, 0n, 0n);
      guest.run(12);
      const exists = guest.csr("mcause") === 0n;
      if (exists !== known.has(number))
        wrong.push(`0x${number.toString(16)} ${known.get(number) ?? "unknown"}: ${exists}`);
    }
    expect(wrong).toEqual([]);
  });

  it("needs the privilege that its bits 9:8 name", async () => {
    const floats = ["fflags", "frm", "fcsr"];
    for (const { name, number } of csrs.filter(
      (csr) => csr.number < 0xc00 && !/^(mhpm|pmpaddr|stimecmp)/.test(csr.name),
    )) {
      const needed = (number >> 8) & 3;
      expect.soft(await isIllegal(`csrr a0, ${name}`, SUPERVISOR), name).toBe(needed > SUPERVISOR);
      expect.soft(await isIllegal(`csrr a0, ${name}`, USER), name).toBe(needed > USER);
      if (needed === 0) expect(floats).toContain(name);
    }
  });

  it("is read-only when its two top bits are set", () => {
    for (const csr of csrs) expect(isReadOnly(csr)).toBe(csr.number >= 0xc00);
  });
});

describe("fields that hold only what is supported", () => {
  // What remains of a write of all ones, then of zero.
  it.each([
    ["misa", 0x8000_0000_0014_112dn, 0x8000_0000_0014_112dn],
    ["mepc", ONES - 1n, 0n],
    ["sepc", ONES - 1n, 0n],
    ["mie", 0xaaan, 0n],
    ["medeleg", 0xb3ffn, 0n],
    ["mideleg", 0x222n, 0n],
    ["mcounteren", 0xffff_ffffn, 0n],
    ["scounteren", 0xffff_ffffn, 0n],
    ["mcountinhibit", 5n, 0n],
    // FIOM, CBIE, CBCFE, CBZE, ADUE, STCE.
    ["menvcfg", 0xa000_0000_0000_00f1n, 0n],
    ["senvcfg", 0xf1n, 0n],
    ["fflags", 31n, 0n],
    ["frm", 7n, 0n],
    ["fcsr", 255n, 0n],
    ["mscratch", ONES, 0n],
    ["mtval", ONES, 0n],
    ["mhpmcounter3", 0n, 0n],
    ["mhpmevent31", 0n, 0n],
    ["pmpaddr15", (1n << 54n) - 1n, 0n],
    ["tselect", 0n, 0n],
    ["tdata1", 0n, 0n],
  ])("%s: all ones leave %i", async (name, ones, zeros) => {
    const guest = await runProgram(
      `li a0, -1; csrw ${name}, a0; csrr a1, ${name}; csrw ${name}, zero; csrr a2, ${name}; wfi`,
      { csrs: { mstatus: MSTATUS_FS } },
    );
    expect([hex(guest.x("a1")), hex(guest.x("a2"))]).toEqual([hex(ones), hex(zeros)]);
  });

  it("mstatus: XL is 2 always, SD follows FS, what is not there stays 0", async () => {
    const guest = await runProgram(
      "li a0, -1; csrw mstatus, a0; csrr a1, mstatus; csrw mstatus, zero; csrr a2, mstatus; wfi",
    );
    // SD, SXL = UXL = 2; TSR TW TVM MXR SUM MPRV; FS; MPP; SPP; MPIE SPIE MIE SIE.
    expect(hex(guest.x("a1"))).toBe("0x8000000a007e79aa");
    expect(hex(guest.x("a2"))).toBe("0xa00000000");
  });

  it("sstatus is the supervisor's part of mstatus", async () => {
    const guest = await runProgram(
      "li a0, -1; csrw mstatus, a0; csrr a1, sstatus; csrw sstatus, zero; csrr a2, mstatus; csrw mstatus, zero; csrw sstatus, a0; csrr a3, mstatus; wfi",
    );
    // SD, UXL; MXR SUM; FS; SPP; SPIE SIE.
    expect(hex(guest.x("a1"))).toBe("0x80000002000c6122");
    expect(hex(guest.x("a2"))).toBe("0xa00721888");
    expect(hex(guest.x("a3"))).toBe("0x8000000a000c6122");
  });

  it("mstatus.MPP cannot become mode 2", async () => {
    const guest = await runProgram("li a0, 0x1000; csrw mstatus, a0; csrr a1, mstatus; wfi", {
      csrs: { mstatus: 1n << 11n },
    });
    expect(guest.x("a1") & MSTATUS_MPP).toBe(1n << 11n);
  });

  it.each([0n, 8n, 9n, 10n])("satp takes mode %i, with 16 bits of ASID", async (mode) => {
    const value = (mode << 60n) | 0x0fff_ffff_ffff_ffffn;
    const guest = await Guest.create("csrw satp, a0; csrr a1, satp; wfi", {
      registers: { a0: mode === 0n ? 0n : value },
    });
    guest.run();
    expect(hex(guest.x("a1"))).toBe(hex(mode === 0n ? 0n : value));
  });

  it.each([1n, 7n, 11n, 15n])("satp ignores a write with mode %i altogether", async (mode) => {
    const guest = await runProgram("csrw satp, a0; csrw satp, a1; csrr a2, satp; wfi", {
      registers: { a0: (8n << 60n) | 0x80123n, a1: (mode << 60n) | 0x456n },
    });
    expect(hex(guest.x("a2"))).toBe("0x8000000000080123");
  });

  it("menvcfg.CBIE and senvcfg.CBIE cannot be 2", async () => {
    const guest = await runProgram(
      "li a0, 0x20; csrw menvcfg, a0; csrr a1, menvcfg; csrw senvcfg, a0; csrr a2, senvcfg; wfi",
    );
    expect([guest.x("a1"), guest.x("a2")]).toEqual([0n, 0n]);
  });

  it("the machine says what it is: hart numbers, no vendor", async () => {
    const guest = await Guest.create(
      "csrr a0, mhartid; csrr a1, mvendorid; csrr a2, marchid; csrr a3, mconfigptr; wfi",
      {
        hartCount: 2,
      },
    );
    guest.run();
    expect(guest.core.harts.map((hart) => hart.x(10))).toEqual([0n, 1n]);
    expect([guest.x("a1"), guest.x("a2"), guest.x("a3")]).toEqual([0n, 0n, 0n]);
  });
});

describe("counters", () => {
  it("count what was retired before the instruction that reads them", async () => {
    const guest = await runProgram("nop; nop; rdinstret a0; rdcycle a1; nop; csrr a2, minstret; csrr a3, mcycle; wfi");
    expect(["a0", "a1", "a2", "a3"].map((r) => guest.x(r))).toEqual([2n, 3n, 5n, 6n]);
  });

  it("take a write in place of the count of the writing instruction", async () => {
    // "written value takes effect after the instruction", which does not add one of its own.
    const guest = await runProgram(
      "li a0, 1000; csrw minstret, a0; csrr a1, minstret; nop; csrr a2, minstret; csrw mcycle, a0; csrr a3, mcycle; wfi",
    );
    expect([guest.x("a1"), guest.x("a2"), guest.x("a3")]).toEqual([1000n, 1002n, 1000n]);
  });

  it("are swapped by csrrw", async () => {
    const guest = await runProgram("nop; csrrw a0, mcycle, zero; csrrs a1, mcycle, zero; wfi");
    expect([guest.x("a0"), guest.x("a1")]).toEqual([1n, 0n]);
  });

  it("wrap at 64 bits", async () => {
    const guest = await runProgram("li a0, -1; csrw mcycle, a0; csrr a1, mcycle; csrr a2, mcycle; wfi");
    expect([guest.x("a1"), guest.x("a2")]).toEqual([ONES, 0n]);
  });

  it("stand still while mcountinhibit holds them, and go on from where they were", async () => {
    const guest = await runProgram(`
      csrwi mcountinhibit, 5
      csrr a0, minstret; nop; nop; csrr a1, minstret; csrr a2, mcycle
      csrwi minstret, 7; csrr a3, minstret
      csrwi mcountinhibit, 1
      nop; csrr a4, minstret; csrr a5, mcycle
      wfi`);
    expect(guest.x("a1")).toBe(guest.x("a0"));
    expect([guest.x("a3"), guest.x("a5")]).toEqual([7n, guest.x("a2")]);
    // The nop, and perhaps the instruction that let them go.
    expect([8n, 9n]).toContain(guest.x("a4"));
  });

  it("do not stop time", async () => {
    const guest = await Guest.create("csrwi mcountinhibit, 5; rdtime a0; nop; rdtime a1; wfi");
    guest.core.setTime(100n, 1);
    guest.run();
    expect([guest.x("a0"), guest.x("a1")]).toEqual([101n, 103n]);
  });

  const COUNTERS = [
    ["cycle", 1n],
    ["time", 2n],
    ["instret", 4n],
    ["hpmcounter3", 8n],
    ["hpmcounter31", 1n << 31n],
  ] as const;
  it.each(COUNTERS)("%s needs its bit in mcounteren, and for user mode in scounteren", async (name, bit) => {
    const text = `csrr a0, ${name}`;
    const all = 0xffff_ffffn;
    expect(await isIllegal(text, MACHINE)).toBe(false);
    expect(await isIllegal(text, SUPERVISOR, { mcounteren: all & ~bit, scounteren: all })).toBe(true);
    expect(await isIllegal(text, SUPERVISOR, { mcounteren: bit })).toBe(false);
    expect(await isIllegal(text, USER, { mcounteren: all & ~bit, scounteren: all })).toBe(true);
    expect(await isIllegal(text, USER, { mcounteren: all, scounteren: all & ~bit })).toBe(true);
    expect(await isIllegal(text, USER, { mcounteren: bit, scounteren: bit })).toBe(false);
  });

  it("count only what their own hart does, each from its start", async () => {
    const guest = await Guest.create("csrr a1, mhartid; beqz a1, 1f; nop; nop\n1: wfi", { hartCount: 2 });
    guest.run();
    expect(guest.core.harts.map((hart) => guest.csr("minstret", hart))).toEqual([3n, 5n]);
    expect(guest.core.retired).toBe(8n);
  });
});

describe("cache block operations", () => {
  const CBIE = 1n << 4n;
  const CBCFE = 1n << 6n;
  const CBZE = 1n << 7n;
  it.each([
    ["cbo.inval (a1)", CBIE],
    ["cbo.clean (a1)", CBCFE],
    ["cbo.flush (a1)", CBCFE],
    ["cbo.zero (a1)", CBZE],
  ])("%s needs menvcfg, and for user mode senvcfg", async (text, bit) => {
    const at = (privilege: number, menvcfg: bigint, senvcfg: bigint) =>
      runToTrap(`${text}; ecall`, {
        privilege,
        csrs: { ...OPEN_PMP, menvcfg, senvcfg },
        registers: { a1: RAM + 0x1000n },
      });
    const all = CBIE | CBCFE | CBZE;
    expect(exception(await at(MACHINE, 0n, 0n)).cause).toBe(11n);
    expect(exception(await at(SUPERVISOR, all & ~bit, all)).cause).toBe(ILLEGAL);
    expect(exception(await at(SUPERVISOR, bit, 0n)).cause).toBe(SUPERVISOR_ECALL);
    expect(exception(await at(USER, all & ~bit, all)).cause).toBe(ILLEGAL);
    expect(exception(await at(USER, all, all & ~bit)).cause).toBe(ILLEGAL);
    expect(exception(await at(USER, bit, bit)).cause).toBe(USER_ECALL);
  });

  it("cbo.zero clears the 64 bytes around its address and no more", async () => {
    const start = Number(RAM) + 0x1000;
    const guest = await Guest.create("cbo.zero (a1); wfi", { registers: { a1: BigInt(start) + 64n + 13n } });
    guest.core.ram.write(start, new Uint8Array(192).fill(0xaa));
    guest.run();
    const expected = new Uint8Array(192).fill(0xaa).fill(0, 64, 128);
    expect([...guest.core.ram.view(start, 192)]).toEqual([...expected]);
  });

  it("cbo.zero faults as a store where no RAM is, with the address as given", async () => {
    const guest = await runToTrap("cbo.zero (a1)", { registers: { a1: 0x10_0000_0000_0005n } });
    expect(exception(guest)).toEqual({ cause: 7n, tval: 0x10_0000_0000_0005n, pc: RAM });
  });
});
