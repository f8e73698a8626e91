import { describe, expect, it } from "vitest";
import {
  EXIT_BUDGET,
  EXIT_IDLE,
  exception,
  Guest,
  ILLEGAL,
  interruptCause,
  MACHINE,
  MENVCFG_STCE,
  MSTATUS_MIE,
  MSTATUS_SIE,
  OPEN_PMP,
  RAM,
  runProgram,
  runToTrap,
  SUPERVISOR,
  USER,
} from "./fixture.js";

// Privileged ISA, "Machine Interrupt (mip and mie) Registers", "Supervisor Interrupt (sip and sie) Registers",
// "Wait for Interrupt", and Sstc.

const SSI = 1;
const MSI = 3;
const STI = 5;
const MTI = 7;
const SEI = 9;
const MEI = 11;
const bit = (number: number) => 1n << BigInt(number);
const ALL = [SSI, MSI, STI, MTI, SEI, MEI].map(bit).reduce((a, b) => a | b);

/** Makes an interrupt pending the way its source would. */
function assert(guest: Guest, number: number, level = true): void {
  if (number === MTI) guest.hart.mtimecmp = level ? 0n : (1n << 64n) - 1n;
  else guest.hart.setInterruptPending(number, level);
}

describe("priorities", () => {
  it("are MEI, MSI, MTI, SEI, SSI, STI, all taken in machine mode", async () => {
    // Each trap takes its own bit out of mie and stores its cause.
    const guest = await Guest.create(
      `1: j 1b
      .align 2
      trap: csrr t0, mcause; sb t0, (a0); addi a0, a0, 1; li t1, 1; sll t1, t1, t0; csrc mie, t1; mret`,
      { registers: { a0: RAM + 0x1000n }, csrs: { mie: ALL, mstatus: MSTATUS_MIE } },
    );
    guest.setCsr("mtvec", guest.symbol("trap"));
    for (const number of [SSI, MSI, STI, MTI, SEI, MEI]) assert(guest, number);
    guest.run(100);
    expect([...guest.core.ram.view(Number(RAM) + 0x1000, 7)]).toEqual([MEI, MSI, MTI, SEI, SSI, STI, 0]);
  });
});

describe("an interrupt", () => {
  const loop = "1: j 1b\n.align 2\nmachine_trap: j .\n.align 2\nsupervisor_trap: j .";

  async function start(privilege: number, csrs: Readonly<Record<string, bigint>>): Promise<Guest> {
    const guest = await Guest.create(loop, { privilege, csrs: { ...OPEN_PMP, ...csrs } });
    guest.setCsr("mtvec", guest.symbol("machine_trap"));
    guest.setCsr("stvec", guest.symbol("supervisor_trap"));
    return guest;
  }
  function where(guest: Guest): string {
    if (guest.hart.pc === guest.symbol("machine_trap")) return "machine";
    return guest.hart.pc === guest.symbol("supervisor_trap") ? "supervisor" : "nowhere";
  }

  it.each([
    // In machine mode MIE decides; below it machine-mode interrupts are always enabled.
    ["not delegated", 0n, MACHINE, 0n, "nowhere"],
    ["not delegated", 0n, MACHINE, MSTATUS_MIE, "machine"],
    ["not delegated", 0n, SUPERVISOR, 0n, "machine"],
    ["not delegated", 0n, USER, 0n, "machine"],
    // A delegated one never reaches machine mode; in supervisor mode SIE decides.
    ["delegated", bit(SEI), MACHINE, MSTATUS_MIE | MSTATUS_SIE, "nowhere"],
    ["delegated", bit(SEI), SUPERVISOR, MSTATUS_MIE, "nowhere"],
    ["delegated", bit(SEI), SUPERVISOR, MSTATUS_SIE, "supervisor"],
    ["delegated", bit(SEI), USER, 0n, "supervisor"],
  ])("%s (mideleg %i) in mode %i with mstatus %i goes to %s", async (_, mideleg, privilege, mstatus, wanted) => {
    const guest = await start(privilege, { mideleg, mie: bit(SEI), mstatus });
    assert(guest, SEI);
    guest.run(10);
    expect(where(guest)).toBe(wanted);
    if (wanted === "machine") expect(exception(guest)).toEqual({ cause: interruptCause(SEI), tval: 0n, pc: RAM });
    if (wanted === "supervisor") expect([guest.csr("scause"), guest.csr("sepc")]).toEqual([interruptCause(SEI), RAM]);
  });

  it("not enabled in mie is not taken", async () => {
    const guest = await start(USER, { mie: ALL & ~bit(SEI) });
    assert(guest, SEI);
    guest.run(10);
    expect(where(guest)).toBe("nowhere");
  });

  it("for machine mode comes before a delegated one of higher rank", async () => {
    const guest = await start(USER, { mideleg: bit(SEI), mie: ALL });
    assert(guest, SEI);
    assert(guest, MTI);
    guest.run(1);
    expect([where(guest), guest.csr("mcause")]).toEqual(["machine", interruptCause(MTI)]);
  });

  it.each([
    ["mtvec", MTI, 0n, "mcause"],
    ["stvec", SSI, bit(SSI), "scause"],
  ])("with vectored %s goes to base + 4 * cause", async (vector, number, mideleg, cause) => {
    const guest = await Guest.create("1: j 1b\n.align 7\nbase: .zero 64", {
      privilege: USER,
      csrs: { ...OPEN_PMP, mideleg, mie: ALL },
    });
    guest.setCsr(vector, guest.symbol("base") | 1n);
    const entry = guest.symbol("base") + 4n * BigInt(number);
    guest.core.ram.write(Number(entry), new Uint8Array([0x6f, 0, 0, 0])); // j .
    assert(guest, number);
    guest.run(10);
    expect([guest.hart.pc, guest.csr(cause)]).toEqual([entry, interruptCause(number)]);
  });

  it("is taken right after the instruction that enables it", async () => {
    const guest = await Guest.create("csrsi mstatus, 8; li a0, 1\n.align 2\ntrap: j .", { csrs: { mie: ALL } });
    guest.setCsr("mtvec", guest.symbol("trap"));
    assert(guest, MEI);
    guest.run(2);
    expect([guest.csr("mepc"), guest.x("a0")]).toEqual([RAM + 4n, 0n]);
  });

  it("is taken right after mret enables it", async () => {
    const guest = await Guest.create(
      "la t0, 1f; csrw mepc, t0; csrsi mie, 8; li t0, 0x80; csrs mstatus, t0; mret; nop\n1: li a0, 1\n.align 2\ntrap: j .",
    );
    guest.setCsr("mtvec", guest.symbol("trap"));
    assert(guest, MSI);
    guest.run(10);
    expect([guest.hart.pc, guest.x("a0")]).toEqual([guest.symbol("trap"), 0n]);
  });

  it("can come from the program itself, by a write to mip", async () => {
    const guest = await runToTrap("csrsi mip, 2; li a0, 1", { csrs: { mie: ALL, mstatus: MSTATUS_MIE } });
    expect([exception(guest), guest.x("a0")]).toEqual([{ cause: interruptCause(SSI), tval: 0n, pc: RAM + 4n }, 0n]);
  });
});

describe("mip", () => {
  it("lets SSIP, STIP and SEIP be written, not the machine-level bits", async () => {
    const guest = await runProgram("li a0, -1; csrw mip, a0; csrr a1, mip; csrw mip, zero; csrr a2, mip; wfi");
    expect([guest.x("a1"), guest.x("a2")]).toEqual([bit(SSI) | bit(STI) | bit(SEI), 0n]);
  });

  it("shows the lines from outside", async () => {
    const guest = await Guest.create("csrr a0, mip; csrw mip, zero; csrr a1, mip; wfi");
    for (const number of [MSI, MTI, SEI, MEI]) assert(guest, number);
    guest.run();
    const lines = [MSI, MTI, SEI, MEI].map(bit).reduce((a, b) => a | b);
    expect([guest.x("a0"), guest.x("a1")]).toEqual([lines, lines]);
  });

  it("keeps SEIP's software bit apart from its line when bits are set or cleared", async () => {
    // With the line high, csrrs of another bit must not latch SEIP.
    const guest = await Guest.create("csrrsi a0, mip, 2; csrr a1, mip; j .");
    assert(guest, SEI);
    guest.run(2);
    expect([guest.x("a0"), guest.x("a1")]).toEqual([bit(SEI), bit(SEI) | bit(SSI)]);
    assert(guest, SEI, false);
    expect(guest.csr("mip")).toBe(bit(SSI));
  });

  it("ORs SEIP's software bit with its line", async () => {
    const guest = await Guest.create("li a0, 0x200; csrs mip, a0; j .");
    guest.run(2);
    assert(guest, SEI);
    assert(guest, SEI, false);
    expect(guest.csr("mip")).toBe(bit(SEI));
  });
});

describe("sip and sie", () => {
  it("show and take only what is delegated", async () => {
    const guest = await runProgram(
      `li a0, -1
      csrw sie, a0; csrr a1, sie; csrr a2, mie
      csrw mideleg, a0
      csrw sie, a0; csrr a3, sie; csrr a4, mie
      csrw mideleg, zero; csrr a5, sie; csrw sie, zero; csrr a6, mie
      wfi`,
    );
    const all = bit(SSI) | bit(STI) | bit(SEI);
    expect(["a1", "a2", "a3", "a4", "a5", "a6"].map((r) => guest.x(r))).toEqual([0n, 0n, all, all, 0n, all]);
  });

  it("let supervisor mode write SSIP when it is delegated, never STIP and SEIP", async () => {
    const text =
      "li a0, -1; csrw sip, a0; csrr a1, mip; csrw mip, a0; csrr a2, sip; csrw sip, zero; csrr a3, sip; csrr a4, mip; wfi";
    const delegated = await runProgram(text, { csrs: { mideleg: bit(SSI) | bit(STI) } });
    expect(["a1", "a2", "a3", "a4"].map((r) => delegated.x(r))).toEqual([
      bit(SSI),
      bit(SSI) | bit(STI),
      bit(STI),
      bit(STI) | bit(SEI),
    ]);
    const not = await runProgram(text);
    expect(["a1", "a2", "a3"].map((r) => not.x(r))).toEqual([0n, 0n, 0n]);
  });
});

describe("timers", () => {
  const counting = "1: addi a0, a0, 1; j 1b\n.align 2\ntrap: csrr a1, time; csrr a2, mepc; j .";

  it("fire when mtime reaches mtimecmp, to the instruction", async () => {
    const guest = await Guest.create(counting, { csrs: { mie: bit(MTI), mstatus: MSTATUS_MIE } });
    guest.setCsr("mtvec", guest.symbol("trap"));
    // A tick each 4 instructions: tick 10 after 40 of them, of which the last is the 20th jump.
    guest.core.setTime(0n, 0.25);
    guest.hart.mtimecmp = 10n;
    expect(guest.run(40)).toBe(EXIT_BUDGET);
    expect([guest.hart.pc, guest.x("a0"), guest.core.mtime]).toEqual([RAM, 20n, 10n]);
    guest.run(3);
    expect([guest.x("a0"), guest.x("a1"), guest.x("a2")]).toEqual([20n, 10n, RAM]);
  });

  it("are not pending an instruction too early", async () => {
    const guest = await Guest.create("csrr a0, mip; csrr a1, mip; csrr a2, mip; wfi");
    guest.core.setTime(0n, 1);
    guest.hart.mtimecmp = 2n;
    guest.run();
    // Read after 0, 1 and 2 instructions.
    expect([guest.x("a0"), guest.x("a1"), guest.x("a2")]).toEqual([0n, 0n, bit(MTI)]);
  });

  it("compare unsigned", async () => {
    const guest = await Guest.create("csrr a0, mip; wfi");
    guest.core.setTime((1n << 63n) - 1n, 0);
    guest.hart.mtimecmp = 1n << 63n;
    guest.run();
    expect(guest.x("a0")).toBe(0n);
    guest.core.setTime(1n << 63n, 0);
    expect(guest.csr("mip")).toBe(bit(MTI));
  });

  it("of supervisor mode are stimecmp's while menvcfg.STCE is set, and STIP cannot be written then", async () => {
    const guest = await Guest.create(
      `li a0, 0x20
      csrs mip, a0; csrr a1, mip
      li a2, -1; csrw stimecmp, a2
      li t0, 1; slli t0, t0, 63; csrs menvcfg, t0
      csrr a3, mip
      csrs mip, a0; csrr a4, mip
      csrw stimecmp, zero; csrr a5, mip
      csrc mip, a0; csrr a6, mip
      csrc menvcfg, t0; csrr a7, mip
      wfi`,
    );
    guest.run();
    const sti = bit(STI);
    expect(["a1", "a3", "a4", "a5", "a6", "a7"].map((r) => guest.x(r))).toEqual([sti, 0n, 0n, sti, sti, sti]);
  });

  it("stimecmp interrupts supervisor mode at its time, to the instruction", async () => {
    const guest = await Guest.create(counting, {
      privilege: SUPERVISOR,
      csrs: {
        ...OPEN_PMP,
        mideleg: bit(STI),
        mie: bit(STI),
        mstatus: MSTATUS_SIE,
        menvcfg: MENVCFG_STCE,
        stimecmp: 25n,
      },
    });
    guest.setCsr("stvec", guest.symbol("trap"));
    guest.core.setTime(0n, 1);
    guest.run(30);
    expect([guest.x("a0"), guest.csr("scause"), guest.csr("sepc")]).toEqual([13n, interruptCause(STI), RAM + 4n]);
  });

  it.each([
    ["menvcfg.STCE", { mcounteren: 2n }],
    ["mcounteren.TM", { menvcfg: MENVCFG_STCE }],
  ])("stimecmp is illegal in supervisor mode without %s", async (_, csrs) => {
    for (const text of ["csrr a0, stimecmp", "csrw stimecmp, a0"]) {
      const guest = await runToTrap(text, { privilege: SUPERVISOR, csrs: { ...OPEN_PMP, ...csrs } });
      expect(exception(guest).cause).toBe(ILLEGAL);
    }
  });

  it("stimecmp is there for machine mode always", async () => {
    const guest = await runProgram("li a0, 5; csrw stimecmp, a0; csrr a1, stimecmp; wfi");
    expect(guest.x("a1")).toBe(5n);
  });

  it("nextTimer is the earliest that would wake a hart", async () => {
    const guest = await Guest.create("wfi", { hartCount: 2, csrs: { menvcfg: MENVCFG_STCE } });
    const [first, second] = guest.core.harts as [typeof guest.hart, typeof guest.hart];
    first.mtimecmp = 500n;
    second.mtimecmp = 400n;
    expect(guest.core.nextTimer).toBe(null);
    guest.setCsr("mie", bit(MTI), first);
    expect(guest.core.nextTimer).toBe(500n);
    guest.setCsr("mie", bit(MTI) | bit(STI), second);
    expect(guest.core.nextTimer).toBe(400n);
    guest.setCsr("stimecmp", 300n, second);
    expect(guest.core.nextTimer).toBe(300n);
    second.stop();
    expect(guest.core.nextTimer).toBe(500n);
  });
});

describe("wfi", () => {
  it("waits: run returns EXIT_IDLE, the instruction retired", async () => {
    const guest = await Guest.create("wfi; li a0, 1; wfi");
    expect([guest.run(), guest.core.retired, guest.hart.pc]).toEqual([EXIT_IDLE, 1n, RAM + 4n]);
    expect([guest.run(), guest.core.retired]).toEqual([EXIT_IDLE, 1n]);
  });

  it("goes on without a trap when an interrupt enabled in mie is pending but mstatus.MIE is 0", async () => {
    const guest = await Guest.create("wfi; li a0, 1; csrw mie, zero; wfi", { csrs: { mie: bit(MSI) } });
    guest.run();
    assert(guest, MSI);
    expect(guest.run()).toBe(EXIT_IDLE);
    expect([guest.x("a0"), guest.csr("mcause")]).toEqual([1n, 0n]);
  });

  it("goes on at once when the interrupt is pending already", async () => {
    const guest = await Guest.create("wfi; li a0, 1; j .", { csrs: { mie: bit(MSI) } });
    assert(guest, MSI);
    expect(guest.run(10)).toBe(EXIT_BUDGET);
    expect([guest.x("a0"), guest.core.retired]).toEqual([1n, 10n]);
  });

  it("stays waiting for what mie does not enable", async () => {
    const guest = await Guest.create("wfi; li a0, 1", { csrs: { mie: bit(MSI) } });
    assert(guest, MEI);
    expect([guest.run(), guest.run(), guest.x("a0")]).toEqual([EXIT_IDLE, EXIT_IDLE, 0n]);
  });

  it("traps to the instruction after it when the interrupt is enabled", async () => {
    const guest = await Guest.create("wfi; li a0, 1\n.align 2\ntrap: j .", {
      csrs: { mie: bit(MTI), mstatus: MSTATUS_MIE },
    });
    guest.setCsr("mtvec", guest.symbol("trap"));
    guest.hart.mtimecmp = 1000n;
    expect(guest.run()).toBe(EXIT_IDLE);
    guest.core.setTime(1000n, 1);
    guest.run(1);
    expect([guest.csr("mcause"), guest.csr("mepc"), guest.x("a0")]).toEqual([interruptCause(MTI), RAM + 4n, 0n]);
  });

  it("ends by an interrupt that is delegated and masked for the mode", async () => {
    // In machine mode a delegated interrupt is never taken, but it wakes.
    const guest = await Guest.create("wfi; li a0, 1; j .", { csrs: { mie: bit(SEI), mideleg: bit(SEI) } });
    guest.run();
    assert(guest, SEI);
    guest.run(10);
    expect(guest.x("a0")).toBe(1n);
  });
});
