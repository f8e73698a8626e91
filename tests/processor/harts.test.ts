import { describe, expect, it } from "vitest";
import {
  EXIT_BUDGET,
  EXIT_IDLE,
  EXIT_STUCK,
  exception,
  Guest,
  ILLEGAL,
  interruptCause,
  MENVCFG_ADUE,
  MSTATUS_MIE,
  RAM,
} from "./fixture.js";

const SHARED = RAM + 0x8000n;

describe("harts", () => {
  it("know their numbers, start where they are told, and stay stopped until then", async () => {
    const guest = await Guest.create("csrr a2, mhartid; wfi\nother: li a3, 1; wfi", { hartCount: 4, started: 2 });
    expect(guest.run()).toBe(EXIT_IDLE);
    expect(guest.core.harts.map((hart) => hart.x(12))).toEqual([0n, 1n, 0n, 0n]);
    expect(guest.core.harts.map((hart) => hart.runState)).toEqual(["waiting", "waiting", "stopped", "stopped"]);
    guest.core.harts[3]!.start(guest.symbol("other"), 3, 77n, 88n);
    expect(guest.run()).toBe(EXIT_IDLE);
    const third = guest.core.harts[3]!;
    expect([third.x(10), third.x(11), third.x(13), third.runState]).toEqual([77n, 88n, 1n, "waiting"]);
    expect(guest.core.harts[2]!.retired).toBe(0n);
  });

  it("have turns of 10,000 instructions, the first one first", async () => {
    const guest = await Guest.create("1: addi a2, a2, 1; j 1b", { hartCount: 3 });
    guest.run(5000);
    expect(guest.core.harts.map((hart) => hart.retired)).toEqual([5000n, 0n, 0n]);
    guest.run(25_000);
    expect(guest.core.harts.map((hart) => hart.retired)).toEqual([10_000n, 10_000n, 10_000n]);
    guest.run(5000);
    expect(guest.core.harts.map((hart) => hart.retired)).toEqual([15_000n, 10_000n, 10_000n]);
  });

  it("give the rest of their turn away when they wait, pause or stop", async () => {
    const guest = await Guest.create("csrr a0, mhartid; bnez a0, 2f\n1: pause; j 1b\n2: addi a2, a2, 1; j 2b", {
      hartCount: 2,
    });
    guest.run(100_000);
    // A turn of the first is a pause and a jump at most.
    expect(guest.core.harts[0]!.retired).toBeLessThan(50n);
    expect(guest.core.harts[0]!.retired).toBeGreaterThan(10n);
  });

  it("that are stopped in the middle run no further, and may start again", async () => {
    const guest = await Guest.create("1: addi a2, a2, 1; j 1b", { hartCount: 2 });
    guest.run(25_000);
    guest.core.harts[0]!.stop();
    const before = guest.core.harts[0]!.retired;
    expect(guest.run(50_000)).toBe(EXIT_BUDGET);
    expect(guest.core.harts[0]!.retired).toBe(before);
    guest.core.harts[1]!.stop();
    expect(guest.run()).toBe(EXIT_IDLE);
    guest.core.harts[0]!.start(RAM, 3, 0n, 0n);
    expect(guest.run(100)).toBe(EXIT_BUDGET);
    expect(guest.core.harts[0]!.retired).toBe(before + 100n);
  });

  it("count up a shared word with LR and SC without losing any", async () => {
    const guest = await Guest.create(
      `li a1, 5000
      1: lr.d t0, (a2); addi t0, t0, 1; sc.d t1, t0, (a2); bnez t1, 1b
      addi a1, a1, -1; bnez a1, 1b; wfi`,
      { hartCount: 4, registers: { a2: SHARED } },
    );
    expect(guest.run(1_000_000)).toBe(EXIT_IDLE);
    expect(guest.dword(SHARED)).toBe(20_000n);
  });

  it("count up a shared word with AMOs, and with a lock", async () => {
    const guest = await Guest.create(
      `li a1, 3000; addi a3, a2, 8; addi a4, a2, 16
      1: amoadd.w zero, a5, (a2)
      2: amoswap.w.aq t0, a5, (a3); bnez t0, 2b
      ld t1, (a4); addi t1, t1, 1; sd t1, (a4)
      amoswap.w.rl zero, zero, (a3)
      addi a1, a1, -1; bnez a1, 1b; wfi`,
      { hartCount: 4, registers: { a2: SHARED, a5: 1n } },
    );
    expect(guest.run(50_000_000)).toBe(EXIT_IDLE);
    expect([guest.dword(SHARED), guest.dword(SHARED + 16n)]).toEqual([12_000n, 12_000n]);
  });

  it("lose a reservation when another hart stores there, though it stores the same value", async () => {
    // The first reserves and spins until the second has stored; its SC must fail.
    const guest = await Guest.create(
      `csrr a0, mhartid; bnez a0, 2f
      lr.d t0, (a2); sd a3, 8(a2)
      1: ld t1, 16(a2); beqz t1, 1b
      sc.d a4, t0, (a2); wfi
      2: ld t1, 8(a2); beqz t1, 2b
      sd zero, (a2); sd a3, 16(a2); wfi`,
      { hartCount: 2, registers: { a2: SHARED, a3: 1n } },
    );
    expect(guest.run(1_000_000)).toBe(EXIT_IDLE);
    expect(guest.x("a4")).toBe(1n);
  });

  it("see each other's stores in the order they were made", async () => {
    const guest = await Guest.create(
      `csrr a0, mhartid; bnez a0, 2f
      1: addi t0, t0, 1; sd t0, (a2); sd t0, 8(a2); li t1, 20000; bne t0, t1, 1b; wfi
      2: ld t1, 8(a2); ld t2, (a2); bgeu t2, t1, 3f; li a4, 1
      3: li t3, 20000; bne t1, t3, 2b; wfi`,
      { hartCount: 2, registers: { a2: SHARED } },
    );
    expect(guest.run(2_000_000)).toBe(EXIT_IDLE);
    expect(guest.x("a4", guest.core.harts[1])).toBe(0n);
  });

  it("see code that another changed", async () => {
    const guest = await Guest.create(
      `csrr a0, mhartid; bnez a0, 2f
      1: jal sub; beqz a5, 1b; wfi
      2: li t0, 30; 3: pause; addi t0, t0, -1; bnez t0, 3b; la t1, sub; li t2, 0x00100793; fence.i; sw t2, (t1); wfi
      .align 4
      sub: li a5, 0; ret`,
      { hartCount: 2 },
    );
    // 0x00100793 is li a5, 1.
    expect(guest.run(2_000_000)).toBe(EXIT_IDLE);
    expect(guest.x("a5")).toBe(1n);
  });

  it("have their own CSRs, floats, translation and timers", async () => {
    const guest = await Guest.create(
      "csrr a0, mhartid; addi a1, a0, 10; csrw mscratch, a1; csrw satp, zero; li t0, 0x6000; csrs mstatus, t0; fcvt.d.l fa0, a1; fsrm a0; wfi",
      { hartCount: 3 },
    );
    guest.run();
    expect(guest.core.harts.map((hart) => [guest.csr("mscratch", hart), guest.csr("frm", hart)])).toEqual([
      [10n, 0n],
      [11n, 1n],
      [12n, 2n],
    ]);
    expect(new Set(guest.core.harts.map((hart) => hart.f(10))).size).toBe(3);
  });
});

describe("interrupts between harts", () => {
  it("reach a hart that runs, at its next turn", async () => {
    const guest = await Guest.create("1: addi a2, a2, 1; j 1b\n.align 2\ntrap: csrr a3, mcause; j .", {
      hartCount: 2,
      csrs: { mie: 8n, mstatus: MSTATUS_MIE },
    });
    for (const hart of guest.core.harts) guest.setCsr("mtvec", guest.symbol("trap"), hart);
    guest.run(1000);
    const other = guest.core.harts[0]!;
    other.setInterruptPending(3, true);
    guest.run(50_000);
    expect(guest.x("a3", other)).toBe(interruptCause(3));
    expect(guest.x("a3", guest.core.harts[1])).toBe(0n);
  });

  it("wake a hart that waits", async () => {
    const guest = await Guest.create("wfi; li a3, 1; csrw mie, zero; wfi", { hartCount: 2, csrs: { mie: 8n } });
    expect(guest.run()).toBe(EXIT_IDLE);
    guest.core.harts[1]!.setInterruptPending(3, true);
    expect(guest.run()).toBe(EXIT_IDLE);
    expect(guest.core.harts.map((hart) => hart.x(13))).toEqual([0n, 1n]);
  });

  it("may be sent from a device access of one hart to another", async () => {
    let guest: Guest | undefined;
    guest = await Guest.create(
      "csrr a0, mhartid; bnez a0, 1f; sw zero, (a1); wfi\n1: wfi; li a3, 1; csrw mie, zero; wfi",
      {
        hartCount: 2,
        registers: { a1: 0x200_0000n },
        csrs: { mie: 8n },
        mmio: {
          read: () => -1,
          write: () => {
            guest!.core.harts[1]!.setInterruptPending(3, true);
            return true;
          },
        },
      },
    );
    expect(guest.run()).toBe(EXIT_IDLE);
    expect(guest.x("a3", guest.core.harts[1])).toBe(1n);
  });
});

describe("a hart that only traps", () => {
  it("does not keep the others from running", async () => {
    const guest = await Guest.create("csrr a0, mhartid; beqz a0, 2f\n1: addi a2, a2, 1; j 1b\n2: jr zero", {
      hartCount: 2,
    });
    expect(guest.run(200_000)).toBe(EXIT_BUDGET);
    expect(guest.core.harts[1]!.retired).toBeGreaterThan(199_000n);
  });

  it("is why the run ends when the others wait", async () => {
    const guest = await Guest.create("csrr a0, mhartid; beqz a0, 2f; wfi\n2: jr zero", { hartCount: 3 });
    expect(guest.run(200_000)).toBe(EXIT_STUCK);
  });

  it("may be freed by an interrupt", async () => {
    const guest = await Guest.create("jr zero\n.align 2\nhandler: li a2, 1; wfi", {
      csrs: { mie: 8n, mstatus: MSTATUS_MIE },
    });
    expect(guest.run()).toBe(EXIT_STUCK);
    // Taking its traps has cleared MIE; the host gives it back, as a debugger would.
    guest.setCsr("mstatus", MSTATUS_MIE);
    guest.setCsr("mtvec", guest.symbol("handler"));
    guest.hart.setInterruptPending(3, true);
    expect(guest.run(100)).toBe(EXIT_BUDGET);
    expect(guest.x("a2")).toBe(1n);
  });
});

describe("reset", () => {
  it("gives the power-on state: machine mode, no translation, nothing enabled, RAM as it was", async () => {
    const guest = await Guest.create(
      "li t0, -1; csrw mie, t0; csrw mideleg, t0; csrw mstatus, t0; csrw pmpcfg0, t0; csrw satp, zero; li a0, 5; .word 0",
      {
        hartCount: 2,
      },
    );
    guest.core.setTime(55n, 1);
    guest.run(1000);
    guest.core.reset();
    for (const hart of guest.core.harts) {
      expect([hart.runState, hart.privilege, hart.x(10), hart.retired]).toEqual(["stopped", 3, 0n, 0n]);
      for (const name of ["mie", "mideleg", "pmpcfg0", "satp", "mcause", "mepc"])
        expect(guest.csr(name, hart), name).toBe(0n);
      expect(guest.csr("mstatus", hart)).toBe(0xa_0000_0000n);
      // What the device tree promises a guest that never heard of menvcfg.
      expect(guest.csr("menvcfg", hart)).toBe(MENVCFG_ADUE);
      expect(hart.mtimecmp).toBe((1n << 64n) - 1n);
    }
    expect([guest.core.retired, guest.core.mtime, guest.core.nextTimer]).toEqual([0n, 0n, null]);
    expect(guest.core.ram.readU32(Number(RAM))).not.toBe(0);
    expect(exception(guest).cause).not.toBe(ILLEGAL);
  });
});
