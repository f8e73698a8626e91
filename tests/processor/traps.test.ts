import { describe, expect, it } from "vitest";
import {
  BREAKPOINT,
  exception,
  Guest,
  ILLEGAL,
  MACHINE,
  MACHINE_ECALL,
  MSTATUS_MIE,
  MSTATUS_MPIE,
  MSTATUS_MPP,
  MSTATUS_MPP_S,
  MSTATUS_MPRV,
  MSTATUS_SIE,
  MSTATUS_SPIE,
  MSTATUS_SPP,
  MSTATUS_TSR,
  MSTATUS_TVM,
  MSTATUS_TW,
  OPEN_PMP,
  RAM,
  runProgram,
  runToTrap,
  SUPERVISOR,
  SUPERVISOR_ECALL,
  USER,
  USER_ECALL,
} from "./fixture.js";

// Privileged ISA, "Trap Registers", "Trap-Return Instructions", "Virtualization Support in mstatus Register".

const MODES = [
  ["U", USER, USER_ECALL, 0n],
  ["S", SUPERVISOR, SUPERVISOR_ECALL, MSTATUS_MPP_S],
  ["M", MACHINE, MACHINE_ECALL, MSTATUS_MPP],
] as const;

describe("exceptions", () => {
  it.each(MODES)("ecall from %s-mode has its own cause and tval 0", async (_, privilege, cause, previous) => {
    const guest = await runToTrap("nop; ecall", { privilege, csrs: OPEN_PMP });
    expect(exception(guest)).toEqual({ cause, tval: 0n, pc: RAM + 4n });
    expect(guest.csr("mstatus") & MSTATUS_MPP).toBe(previous);
    expect(guest.hart.privilege).toBe(MACHINE);
  });

  it.each(["ebreak", "c.ebreak"])("%s gives its own address as tval", async (text) => {
    const guest = await runToTrap(`c.nop; ${text}`);
    expect(exception(guest)).toEqual({ cause: BREAKPOINT, tval: RAM + 2n, pc: RAM + 2n });
  });

  it.each([
    ["of 32 bits", ".word 0xffffffff", 0xffff_ffffn],
    ["of 32 bits with a zero upper half", ".word 0x0000000b", 0xbn],
    ["of 16 bits", ".half 0x9c41, 0xffff", 0x9c41n],
    ["that is all zeros, so of 16 bits", ".word 0xabcd0000", 0n],
    ["mret with a register", ".word 0x30208073", 0x3020_8073n],
    ["a CSR that does not exist", "csrr a0, 0x8ff", 0x8ff0_2573n],
  ])("an instruction %s that is none has its bits as tval", async (_, text, tval) => {
    const guest = await runToTrap(`nop; ${text}`);
    expect(exception(guest)).toEqual({ cause: ILLEGAL, tval, pc: RAM + 4n });
  });

  it("an illegal instruction across a page boundary has all its bits as tval", async () => {
    const guest = await runToTrap("j bad\n.org 0x80000ffe\nbad: .word 0x12345ffb");
    expect(exception(guest)).toEqual({ cause: ILLEGAL, tval: 0x1234_5ffbn, pc: RAM + 0xffen });
  });

  it("are not counted as retired instructions", async () => {
    const guest = await runToTrap("nop; nop; ecall");
    // Two nops and the handler's wfi.
    expect(guest.core.retired).toBe(3n);
    expect(guest.csr("minstret")).toBe(3n);
  });

  it("leave mstatus.MIE in MPIE and clear it", async () => {
    const enabled = await runToTrap("ecall", { csrs: { mstatus: MSTATUS_MIE } });
    expect(enabled.csr("mstatus") & (MSTATUS_MIE | MSTATUS_MPIE)).toBe(MSTATUS_MPIE);
    const disabled = await runToTrap("ecall", { csrs: { mstatus: MSTATUS_MPIE } });
    expect(disabled.csr("mstatus") & (MSTATUS_MIE | MSTATUS_MPIE)).toBe(0n);
  });

  it("in a handler overwrite what the first trap left", async () => {
    const guest = await runProgram(`
      la t0, first; csrw mtvec, t0
      ecall
      .align 2
first: csrr a0, mcause; csrr a1, mepc
      la t0, second; csrw mtvec, t0
inner: ebreak
      .align 2
second: wfi`);
    expect([guest.x("a0"), guest.x("a1")]).toEqual([MACHINE_ECALL, RAM + 12n]);
    expect(exception(guest)).toEqual({ cause: BREAKPOINT, tval: guest.symbol("inner"), pc: guest.symbol("inner") });
    expect(guest.csr("mstatus") & MSTATUS_MPP).toBe(MSTATUS_MPP);
  });
});

describe("delegation", () => {
  const handler = "\n.align 2\nsupervisor_trap: csrr a0, scause; csrr a1, stval; csrr a2, sepc; wfi";
  const setup = { csrs: { ...OPEN_PMP, medeleg: 0xffffn, stvec: 0n, mstatus: MSTATUS_SIE } };

  async function run(text: string, privilege: number): Promise<Guest> {
    const guest = await Guest.create(`${text}\nj .${handler}\n.align 2\nmachine_trap: wfi`, { ...setup, privilege });
    guest.setCsr("mtvec", guest.symbol("machine_trap"));
    guest.setCsr("stvec", guest.symbol("supervisor_trap"));
    guest.run();
    return guest;
  }

  it.each([
    ["ecall", USER, USER_ECALL, 0n, 0n],
    ["ebreak", USER, BREAKPOINT, RAM, 0n],
    [".word 0xffffffff", SUPERVISOR, ILLEGAL, 0xffff_ffffn, MSTATUS_SPP],
    ["ebreak", SUPERVISOR, BREAKPOINT, RAM, MSTATUS_SPP],
  ])("sends %s from mode %i to supervisor mode", async (text, privilege, cause, tval, spp) => {
    const guest = await run(text, privilege);
    expect([guest.x("a0"), guest.x("a1"), guest.x("a2")]).toEqual([cause, tval, RAM]);
    expect(guest.csr("mstatus") & (MSTATUS_SPP | MSTATUS_SIE | MSTATUS_SPIE)).toBe(spp | MSTATUS_SPIE);
  });

  it("never lowers the privilege: what machine mode does stays in machine mode", async () => {
    const guest = await run("ebreak", MACHINE);
    expect(exception(guest).cause).toBe(BREAKPOINT);
    expect(guest.csr("scause")).toBe(0n);
  });

  it("cannot be asked for environment calls from machine mode, nor for reserved causes", async () => {
    const guest = await runProgram("li a0, -1; csrw medeleg, a0; csrw mideleg, a0; wfi");
    // Causes 10, 11 and 14 and those above 15 have no bit that can be set.
    expect(guest.csr("medeleg")).toBe(0xb3ffn);
    // SSI, STI, SEI.
    expect(guest.csr("mideleg")).toBe(0x222n);
  });
});

describe("mret", () => {
  it.each([
    [0n, USER],
    [MSTATUS_MPP_S, SUPERVISOR],
    [MSTATUS_MPP, MACHINE],
  ])("returns to the mode in MPP (%i)", async (mpp, privilege) => {
    const guest = await Guest.create("la t0, 1f; csrw mepc, t0; mret; nop\n1: nop", {
      csrs: { ...OPEN_PMP, mstatus: mpp | MSTATUS_MPIE | MSTATUS_MPRV },
    });
    guest.run(4);
    expect([guest.hart.pc, guest.hart.privilege]).toEqual([RAM + 20n, privilege]);
    // MPIE goes to MIE and becomes 1, MPP the least mode; MPRV ends unless machine mode goes on.
    const status = guest.csr("mstatus") & (MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_MPP | MSTATUS_MPRV);
    expect(status).toBe(MSTATUS_MIE | MSTATUS_MPIE | (privilege === MACHINE ? MSTATUS_MPRV : 0n));
  });

  it.each([USER, SUPERVISOR])("is illegal in mode %i", async (privilege) => {
    const guest = await runToTrap("mret", { privilege, csrs: OPEN_PMP });
    expect(exception(guest)).toEqual({ cause: ILLEGAL, tval: 0x3020_0073n, pc: RAM });
  });
});

describe("sret", () => {
  it.each([
    [0n, USER, MACHINE],
    [MSTATUS_SPP, SUPERVISOR, MACHINE],
    [0n, USER, SUPERVISOR],
    [MSTATUS_SPP, SUPERVISOR, SUPERVISOR],
  ])("returns to the mode in SPP (%i): %i, from %i", async (spp, privilege, from) => {
    const guest = await Guest.create("la t0, 1f; csrw sepc, t0; sret; nop\n1: nop", {
      privilege: from,
      csrs: { ...OPEN_PMP, mstatus: spp | MSTATUS_SPIE | MSTATUS_MPRV },
    });
    guest.run(4);
    expect([guest.hart.pc, guest.hart.privilege]).toEqual([RAM + 20n, privilege]);
    const status = guest.csr("mstatus") & (MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_MPRV);
    expect(status).toBe(MSTATUS_SIE | MSTATUS_SPIE);
  });

  it("is illegal in user mode, and with TSR in supervisor mode, but not in machine mode", async () => {
    expect(exception(await runToTrap("sret", { privilege: USER, csrs: OPEN_PMP })).cause).toBe(ILLEGAL);
    const csrs = { ...OPEN_PMP, mstatus: MSTATUS_TSR };
    expect(exception(await runToTrap("sret", { privilege: SUPERVISOR, csrs })).cause).toBe(ILLEGAL);
    const guest = await Guest.create("sret", { csrs: { ...csrs, sepc: RAM + 0x100n } });
    guest.run(1);
    expect([guest.hart.pc, guest.hart.privilege]).toEqual([RAM + 0x100n, USER]);
  });
});

describe("mstatus.TVM", () => {
  const csrs = { ...OPEN_PMP, mstatus: MSTATUS_TVM };
  it.each(["csrr a0, satp", "csrw satp, zero", "sfence.vma", "sfence.vma a0, a1", "sinval.vma a0, a1"])(
    "makes %s illegal in supervisor mode only",
    async (text) => {
      expect(exception(await runToTrap(text, { privilege: SUPERVISOR, csrs })).cause).toBe(ILLEGAL);
      expect(exception(await runToTrap(`${text}; ecall`, { csrs })).cause).toBe(MACHINE_ECALL);
      const without = await runToTrap(`${text}; ecall`, { privilege: SUPERVISOR, csrs: OPEN_PMP });
      expect(exception(without).cause).toBe(SUPERVISOR_ECALL);
    },
  );

  it("leaves the fences of Svinval alone", async () => {
    const guest = await runToTrap("sfence.w.inval; sfence.inval.ir; ecall", { privilege: SUPERVISOR, csrs });
    expect(exception(guest).cause).toBe(SUPERVISOR_ECALL);
  });
});

describe("mstatus.TW", () => {
  it("makes wfi illegal in supervisor mode but not in machine mode", async () => {
    const csrs = { ...OPEN_PMP, mstatus: MSTATUS_TW };
    expect(exception(await runToTrap("wfi", { privilege: SUPERVISOR, csrs })).cause).toBe(ILLEGAL);
    await runProgram("wfi", { csrs });
    await runProgram("wfi", { privilege: SUPERVISOR, csrs: OPEN_PMP });
  });
});

describe("user mode", () => {
  it.each([
    "wfi",
    "sret",
    "mret",
    "sfence.vma",
    "sinval.vma zero, zero",
    "sfence.w.inval",
    "sfence.inval.ir",
    "csrr a0, sstatus",
    "csrr a0, mstatus",
    "csrr a0, cycle",
  ])("may not %s", async (text) => {
    expect(exception(await runToTrap(text, { privilege: USER, csrs: OPEN_PMP })).cause).toBe(ILLEGAL);
  });
});

describe("the trap vector", () => {
  it("sends exceptions to its base in either mode, the mode bits not part of it", async () => {
    for (const mode of [0n, 1n]) {
      const guest = await Guest.create("ecall\n.align 8\nbase: wfi");
      guest.setCsr("mtvec", guest.symbol("base") | mode);
      guest.run();
      expect(guest.hart.pc).toBe(guest.symbol("base") + 4n);
    }
  });

  it("has no mode 2 or 3, and its base is a multiple of 4", async () => {
    const guest = await runProgram("li a0, -1; csrw mtvec, a0; csrw stvec, a0; wfi");
    for (const name of ["mtvec", "stvec"]) expect(guest.csr(name) & 2n).toBe(0n);
  });
});

describe("mepc and sepc", () => {
  it("keep bit 0 clear, as instructions of 16 bits leave no other", async () => {
    const guest = await runProgram("li a0, -1; csrw mepc, a0; csrw sepc, a0; wfi");
    expect([guest.csr("mepc"), guest.csr("sepc")]).toEqual([(1n << 64n) - 2n, (1n << 64n) - 2n]);
  });
});

describe("a hart without a way out", () => {
  it("stops running with EXIT_STUCK when its trap vector is where nothing is, and can be helped", async () => {
    const guest = await Guest.create("jr zero\n.align 2\nrescue: li a0, 1; wfi");
    expect(guest.run(1_000_000)).toBe(4);
    expect(exception(guest)).toEqual({ cause: 1n, tval: 0n, pc: 0n });
    guest.setCsr("mtvec", guest.symbol("rescue"));
    expect(guest.run()).toBe(1);
    expect(guest.x("a0")).toBe(1n);
  });

  it("stops with EXIT_STUCK in a loop of traps, whatever the budget", async () => {
    const guest = await Guest.create("vector: ebreak", { csrs: { mtvec: RAM } });
    expect(guest.run(0xffff_ffff)).toBe(4);
    expect(guest.core.retired).toBe(0n);
  });
});
