import { describe, expect, it } from "vitest";
import type { MmioPort } from "../../host/core/core.js";
import {
  EXIT_ECALL,
  EXIT_IDLE,
  EXIT_STOP,
  exception,
  FETCH_ACCESS,
  Guest,
  interruptCause,
  LOAD_ACCESS,
  MSTATUS_MIE,
  OPEN_PMP,
  RAM,
  runToTrap,
  STORE_ACCESS,
  SUPERVISOR,
  SUPERVISOR_ECALL,
  USER,
  USER_ECALL,
} from "./fixture.js";
import { ALL, PageTables } from "./page-tables.js";
import { hex } from "./semantics/bench.js";

const DEVICE = 0x1000_0000n;

/** A device at DEVICE, 64 bytes long, that notes what is asked of it and answers with `answers` in turn. */
class Recorder implements MmioPort {
  readonly log: string[] = [];
  readonly #answers: number[];

  constructor(...answers: readonly number[]) {
    this.#answers = [...answers];
  }
  read(paddr: number, width: number): number {
    if (paddr < Number(DEVICE) || paddr >= Number(DEVICE) + 64) return -1;
    this.log.push(`r${width} ${paddr - Number(DEVICE)}`);
    return this.#answers.shift() ?? 0;
  }
  write(paddr: number, width: number, value: number): boolean {
    if (paddr < Number(DEVICE) || paddr >= Number(DEVICE) + 64) return false;
    this.log.push(`w${width} ${paddr - Number(DEVICE)} ${value.toString(16)}`);
    return true;
  }
}

const registers = { a1: DEVICE, a2: 0x8877_6655_f433_22f1n };

describe("loads from a device", () => {
  it.each([
    ["lb a0, 1(a1)", [0xf1], "r1 1", 0xffff_ffff_ffff_fff1n],
    ["lbu a0, 1(a1)", [0xf1], "r1 1", 0xf1n],
    ["lh a0, 2(a1)", [0xf122], "r2 2", 0xffff_ffff_ffff_f122n],
    ["lhu a0, 2(a1)", [0xf122], "r2 2", 0xf122n],
    ["lw a0, 4(a1)", [0xf1223344], "r4 4", 0xffff_ffff_f122_3344n],
    ["lwu a0, 4(a1)", [0xf1223344], "r4 4", 0xf122_3344n],
    // Two accesses, low half first.
    ["ld a0, 8(a1)", [0xf1223344, 0x8b667788], "r4 8,r4 12", 0x8b66_7788_f122_3344n],
    ["lw a0, 5(a1)", [7], "r4 5", 7n],
  ])("%s", async (text, answers, log, wanted) => {
    const device = new Recorder(...answers);
    const guest = await Guest.create(`${text}; wfi`, { registers, mmio: device });
    guest.run();
    expect([device.log.join(), hex(guest.x("a0"))]).toEqual([log, hex(wanted)]);
  });

  it("into x0 happen all the same", async () => {
    const device = new Recorder();
    (await Guest.create("lw zero, (a1); wfi", { registers, mmio: device })).run();
    expect(device.log).toEqual(["r4 0"]);
  });
});

describe("stores to a device", () => {
  it.each([
    ["sb a2, 1(a1)", "w1 1 f1"],
    ["sh a2, 2(a1)", "w2 2 22f1"],
    ["sw a2, 4(a1)", "w4 4 f43322f1"],
    ["sd a2, 8(a1)", "w4 8 f43322f1,w4 12 88776655"],
  ])("%s", async (text, log) => {
    const device = new Recorder();
    (await Guest.create(`${text}; wfi`, { registers, mmio: device })).run();
    expect(device.log.join()).toBe(log);
  });
});

describe("where nothing is", () => {
  it.each([
    ["lb a0, 64(a1)", LOAD_ACCESS, 64n, ""],
    ["lw a0, 64(a1)", LOAD_ACCESS, 64n, ""],
    ["ld a0, 64(a1)", LOAD_ACCESS, 64n, ""],
    ["sb a0, 64(a1)", STORE_ACCESS, 64n, ""],
    ["sd a0, 64(a1)", STORE_ACCESS, 64n, ""],
    // The second half of eight bytes: the first has happened, the address is the instruction's.
    ["ld a0, 60(a1)", LOAD_ACCESS, 60n, "r4 60"],
    ["sd a0, 60(a1)", STORE_ACCESS, 60n, "w4 60 5"],
    ["ld a0, -4(a1)", LOAD_ACCESS, -4n, ""],
    ["flw fa0, 64(a1)", LOAD_ACCESS, 64n, ""],
    ["fsd fa0, 64(a1)", STORE_ACCESS, 64n, ""],
  ])("%s is an access fault and changes no register", async (text, cause, offset, log) => {
    const device = new Recorder();
    const guest = await runToTrap(`nop; ${text}`, {
      registers: { a1: DEVICE, a0: 5n, fa0: 6n },
      mmio: device,
      csrs: { mstatus: 3n << 13n },
    });
    expect(exception(guest)).toEqual({ cause, tval: DEVICE + offset, pc: RAM + 4n });
    expect([guest.x("a0"), guest.f("fa0"), device.log.join()]).toEqual([5n, 6n, log]);
  });

  it("a device's fault is forgotten: the next access is judged by itself", async () => {
    const guest = await Guest.create(
      "ld a0, 64(a1); lw a2, (a1); wfi\n.align 2\ntrap: csrr t0, mepc; addi t0, t0, 4; csrw mepc, t0; mret",
      { registers: { a1: DEVICE }, mmio: new Recorder(99) },
    );
    guest.setCsr("mtvec", guest.symbol("trap"));
    guest.run();
    expect([guest.x("a2"), guest.csr("mcause"), guest.csr("mepc")]).toEqual([99n, LOAD_ACCESS, RAM + 4n]);
  });

  it("with translation on, tval is the virtual address", async () => {
    const guest = await Guest.create("lw a0, (a1)\n.align 2\nmachine_trap: wfi; j machine_trap", {
      privilege: SUPERVISOR,
      csrs: OPEN_PMP,
      registers: { a1: 0x4000_0040n },
    });
    const tables = new PageTables(guest, "sv39", RAM + 0x1_0000n);
    tables.map(RAM, RAM, ALL);
    tables.map(0x4000_0000n, DEVICE, ALL);
    guest.setCsr("satp", tables.satp());
    guest.setCsr("mtvec", guest.symbol("machine_trap"));
    guest.run(10);
    expect(exception(guest)).toEqual({ cause: LOAD_ACCESS, tval: 0x4000_0040n, pc: RAM });
  });

  it("nothing beyond 32 bits of physical address reaches a device", async () => {
    const device = new Recorder(1);
    const guest = await runToTrap("lw a0, (a1)", { registers: { a1: (1n << 32n) + DEVICE }, mmio: device });
    expect([exception(guest).cause, device.log]).toEqual([LOAD_ACCESS, []]);
  });

  it("code cannot be executed from a device", async () => {
    const device = new Recorder();
    const guest = await runToTrap("jr a1", { registers, mmio: device });
    expect(exception(guest)).toEqual({ cause: FETCH_ACCESS, tval: DEVICE, pc: DEVICE });
    expect(device.log).toEqual([]);
  });

  it("an access that straddles a page of a device is an access fault", async () => {
    const guest = await runToTrap("lw a0, -2(a1)", { registers, mmio: { read: () => 0, write: () => true } });
    expect(exception(guest)).toMatchObject({ cause: LOAD_ACCESS });
  });
});

describe("a device", () => {
  it("may stop the run right after the access, which is complete", async () => {
    let guest: Guest | undefined;
    guest = await Guest.create("nop; sw a2, (a1); li a0, 1; wfi", {
      registers,
      mmio: {
        read: () => -1,
        write: () => {
          guest!.core.requestStop();
          return true;
        },
      },
    });
    expect(guest.run()).toBe(EXIT_STOP);
    expect([guest.hart.pc, guest.core.retired, guest.x("a0")]).toEqual([RAM + 8n, 2n, 0n]);
    // The request is used up.
    expect(guest.run()).toBe(EXIT_IDLE);
    expect(guest.x("a0")).toBe(1n);
  });

  it("that raises an interrupt is answered right after the access", async () => {
    let guest: Guest | undefined;
    guest = await Guest.create("nop; lw a0, (a1); li a2, 1\n.align 2\ntrap: j .", {
      registers: { a1: DEVICE },
      csrs: { mie: 1n << 11n, mstatus: MSTATUS_MIE },
      mmio: {
        read: () => {
          guest!.hart.setInterruptPending(11, true);
          return 42;
        },
        write: () => false,
      },
    });
    guest.setCsr("mtvec", guest.symbol("trap"));
    guest.run(10);
    expect([guest.csr("mcause"), guest.csr("mepc"), guest.x("a0"), guest.x("a2")]).toEqual([
      interruptCause(11),
      RAM + 8n,
      42n,
      0n,
    ]);
  });

  it("sees the time of the instruction that asks it", async () => {
    let guest: Guest | undefined;
    const times: bigint[] = [];
    guest = await Guest.create("lw a0, (a1); nop; nop; sw a0, (a1); ld a0, (a1); wfi", {
      registers,
      mmio: {
        read: () => Number(times.push(guest!.core.mtime)) * 0,
        write: () => times.push(guest!.core.mtime) > 0,
      },
    });
    guest.core.setTime(1000n, 1);
    guest.run();
    expect(times).toEqual([1000n, 1003n, 1004n, 1004n]);
  });

  it("may set the time, which goes on from there", async () => {
    let guest: Guest | undefined;
    guest = await Guest.create("nop; nop; sw a0, (a1); rdtime a2; nop; rdtime a3; wfi", {
      registers,
      mmio: {
        read: () => -1,
        write: () => {
          guest!.core.setTime(5000n, 1);
          return true;
        },
      },
    });
    guest.core.setTime(100n, 1);
    guest.run();
    expect([guest.x("a2"), guest.x("a3")]).toEqual([5001n, 5003n]);
  });
});

describe("environment calls to the host", () => {
  it("stop the run at the call, of which nothing has happened", async () => {
    const guest = await Guest.create("li a7, 16; ecall; li a0, 1; wfi", {
      privilege: SUPERVISOR,
      hostFirmware: true,
      csrs: OPEN_PMP,
    });
    expect(guest.run()).toBe(EXIT_ECALL);
    expect([guest.core.exitHart, guest.hart.pc, guest.hart.privilege, guest.core.retired]).toEqual([
      0,
      RAM + 4n,
      SUPERVISOR,
      1n,
    ]);
    expect([guest.csr("scause"), guest.csr("mcause")]).toEqual([0n, 0n]);
    guest.hart.pc += 4n;
    expect(guest.run()).toBe(EXIT_IDLE);
    expect(guest.x("a0")).toBe(1n);
  });

  it("come from supervisor mode only", async () => {
    const user = await runToTrap("ecall", { privilege: USER, hostFirmware: true, csrs: OPEN_PMP });
    expect(exception(user).cause).toBe(USER_ECALL);
    const without = await runToTrap("ecall", { privilege: SUPERVISOR, csrs: OPEN_PMP });
    expect(exception(without).cause).toBe(SUPERVISOR_ECALL);
  });

  it("say which hart called", async () => {
    const guest = await Guest.create("csrr t0, sscratch; bnez t0, 1f; j .\n1: ecall", {
      hartCount: 4,
      privilege: SUPERVISOR,
      hostFirmware: true,
      csrs: OPEN_PMP,
    });
    guest.setCsr("sscratch", 1n, guest.core.harts[2]!);
    expect(guest.run(100_000)).toBe(EXIT_ECALL);
    expect([guest.core.exitHart, guest.core.harts[2]!.pc]).toEqual([2, RAM + 12n]);
  });
});
