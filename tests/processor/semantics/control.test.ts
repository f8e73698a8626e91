import { describe, expect, it } from "vitest";
import { exception, FETCH_ACCESS, Guest, PAGE, RAM, runProgram, runToTrap } from "../fixture.js";
import { hex, rows, u64 } from "./bench.js";

/** rs1 rs2 = 1 when taken. */
const BRANCHES = `
  beq   5 5 = 1 | 5 6 = 0 | M -1 = 1 | 1<<32 0 = 0
  bne   5 5 = 0 | 5 6 = 1 | 1<<32 0 = 1
  blt   -1 0 = 1 | 0 -1 = 0 | 5 5 = 0 | MIN MAX = 1
  bge   -1 0 = 0 | 0 -1 = 1 | 5 5 = 1 | MIN MAX = 0
  bltu  -1 0 = 0 | 0 -1 = 1 | 5 5 = 0 | MIN MAX = 0
  bgeu  -1 0 = 1 | 0 -1 = 0 | 5 5 = 1 | MIN MAX = 1
`;

describe("branches", () => {
  it.each(rows(BRANCHES))("$name $operands: $result", async ({ name, values: [a1, a2, taken] }) => {
    const registers = { a1: a1!, a2: a2! };
    const near = await runProgram(`${name} a1, a2, 1f; wfi\n1: li a0, 1; wfi`, { registers });
    expect(near.x("a0")).toBe(taken);
    const far = await runProgram(`j 2f\n.zero 2040\n1: li a0, 1; wfi\n.zero 2040\n2: ${name} a1, a2, 1b; wfi`, {
      registers,
    });
    expect(far.x("a0")).toBe(taken);
  });

  it("reach 4 KiB either way, across pages", async () => {
    const guest = await runProgram(
      "j start\n.org 0x80000ffe\nback: li a0, 1; beq zero, zero, there\n.org 0x80001ffa\nstart: beq zero, zero, back\n.org 0x80002000\nthere: addi a0, a0, 1; wfi",
    );
    expect(guest.x("a0")).toBe(2n);
  });

  it("on themselves loop until the budget is used up", async () => {
    const guest = await Guest.create("beq zero, zero, .");
    expect(guest.run(1000)).toBe(0);
    expect([guest.hart.pc, guest.core.retired]).toEqual([RAM, 1000n]);
  });
});

describe("jumps", () => {
  it("link to the instruction after them, 4 or 2 bytes on", async () => {
    const guest = await runProgram("jal a0, 1f\n1: la a2, 2f; jalr a1, (a2)\n2: la a3, 3f; c.jalr a3\n3: wfi");
    expect(guest.x("a0")).toBe(RAM + 4n);
    expect(guest.x("a1")).toBe(RAM + 16n);
    expect(guest.x("ra")).toBe(RAM + 26n);
  });

  it("by register add the offset and clear bit 0", async () => {
    // 1f + 5 - 3 is 1f + 2, and so is 1f + 6 - 3 made even.
    for (const beyond of [5, 6]) {
      const guest = await runProgram(`la a1, 1f+${beyond}; jalr a0, -3(a1)\n1: c.li a2, 1; c.li a3, 1; wfi`);
      expect([guest.x("a2"), guest.x("a3")]).toEqual([0n, 1n]);
    }
  });

  it("may link to the register they jump by", async () => {
    const guest = await runProgram("la a0, 1f; jalr a0, (a0); li a1, 1\n1: wfi");
    expect([guest.x("a0"), guest.x("a1")]).toEqual([RAM + 12n, 0n]);
  });

  it("go to odd halfwords and over a page's end", async () => {
    // The wide instruction at the target has its halves on two pages.
    const guest = await runProgram("j target\n.org 0x80000ffe\ntarget: addi a0, a0, 5; c.addi a0, 1; wfi");
    expect([guest.x("a0"), guest.hart.pc]).toEqual([6n, RAM + 0x1008n]);
  });

  it("reach 1 MiB either way", async () => {
    const setup = { memoryByteLength: 2 * 1024 * 1024 };
    const guest = await runProgram("j there\nback: li a1, 1; wfi\n.org 0x800ffffe\nthere: li a0, 1; j back", setup);
    expect([guest.x("a0"), guest.x("a1")]).toEqual([1n, 1n]);
  });

  it("to where nothing is trap at the target, the link register written", async () => {
    const guest = await runToTrap("li a1, 0x1234; jalr a0, 2(a1)");
    expect(exception(guest)).toEqual({ cause: FETCH_ACCESS, tval: 0x1236n, pc: 0x1236n });
    expect(guest.x("a0")).toBe(RAM + 12n);
    const beyond = await runToTrap("jalr a0, -4(zero)");
    expect(exception(beyond)).toEqual({ cause: FETCH_ACCESS, tval: u64(-4n), pc: u64(-4n) });
  });

  it("past the end of RAM trap, also by running on", async () => {
    const end = RAM + 1024n * 1024n;
    const guest = await Guest.create("j .+8\nhandler: wfi\ncsrw mtvec, a1; jr a0", {
      registers: { a0: end - 4n, a1: RAM + 4n },
    });
    guest.core.ram.write(Number(end) - 4, new Uint8Array([0x13, 0, 0, 0])); // nop
    guest.run();
    expect(exception(guest)).toEqual({ cause: FETCH_ACCESS, tval: end, pc: end });
  });

  it("a wide instruction whose second half is beyond RAM traps there, with its own pc", async () => {
    const end = RAM + 1024n * 1024n;
    const guest = await Guest.create("j .+8\nhandler: wfi\ncsrw mtvec, a1; jr a0", {
      registers: { a0: end - 2n, a1: RAM + 4n },
    });
    guest.core.ram.write(Number(end) - 2, new Uint8Array([0x13, 0]));
    guest.run();
    expect(exception(guest)).toEqual({ cause: FETCH_ACCESS, tval: end, pc: end - 2n });
  });
});

describe("compressed instructions", () => {
  const DATA = RAM + BigInt(PAGE);
  it.each([
    ["c.addi4spn a0, sp, 1020", { sp: DATA }, "a0", DATA + 1020n],
    ["c.lw a0, 124(a1)", { a1: DATA }, "a0", 0xffff_ffff_f1f2_f3f4n],
    ["c.ld a0, 120(a1)", { a1: DATA }, "a0", 0xf1f2_f3f4_f5f6_f7f8n],
    ["c.lwsp a0, 124(sp)", { sp: DATA }, "a0", 0xffff_ffff_f1f2_f3f4n],
    ["c.ldsp a0, 120(sp)", { sp: DATA }, "a0", 0xf1f2_f3f4_f5f6_f7f8n],
    ["c.addi a0, -32", { a0: 5n }, "a0", u64(-27n)],
    ["c.addiw a0, 31", { a0: 0x7fff_ffffn }, "a0", 0xffff_ffff_8000_001en],
    ["c.li a0, -1", {}, "a0", u64(-1n)],
    ["c.lui a0, 0xfffe0", {}, "a0", 0xffff_ffff_fffe_0000n],
    ["c.addi16sp sp, -512", { sp: DATA }, "sp", DATA - 512n],
    ["c.srli a0, 63", { a0: 1n << 63n }, "a0", 1n],
    ["c.srai a0, 63", { a0: 1n << 63n }, "a0", u64(-1n)],
    ["c.andi a0, -2", { a0: 7n }, "a0", 6n],
    ["c.sub a0, a1", { a0: 1n, a1: 2n }, "a0", u64(-1n)],
    ["c.xor a0, a1", { a0: 5n, a1: 6n }, "a0", 3n],
    ["c.or a0, a1", { a0: 5n, a1: 6n }, "a0", 7n],
    ["c.and a0, a1", { a0: 5n, a1: 6n }, "a0", 4n],
    ["c.subw a0, a1", { a0: 0n, a1: 0x8000_0000n }, "a0", 0xffff_ffff_8000_0000n],
    ["c.addw a0, a1", { a0: 0x7fff_ffffn, a1: 1n }, "a0", 0xffff_ffff_8000_0000n],
    ["c.slli t6, 63", { t6: 1n }, "t6", 1n << 63n],
    ["c.mv t6, t5", { t5: 9n }, "t6", 9n],
    ["c.add t6, t5", { t5: 9n, t6: 1n }, "t6", 10n],
    ["c.beqz a0, .+6; c.li a1, 1; c.li a2, 1", { a0: 1n }, "a1", 1n],
    ["c.bnez a0, .+4; c.li a1, 1; c.li a2, 1", { a0: 1n }, "a1", 0n],
    ["c.j .+4; c.li a1, 1; c.nop", {}, "a1", 0n],
  ])("%s", async (text, registers: Readonly<Record<string, bigint>>, register, wanted) => {
    const guest = await Guest.create(`${text}; wfi`, { registers });
    guest.writeDword(DATA + 120n, 0xf1f2_f3f4_f5f6_f7f8n);
    expect(guest.run()).toBe(1);
    expect(hex(guest.x(register))).toBe(hex(wanted));
  });

  it.each([
    ["c.sw a0, 124(a1)", 0x8877_6655_0000_0000n],
    ["c.sd a0, 120(a1)", 0x4433_2211_8877_6655n],
    ["c.swsp a0, 120(sp)", 0x8877_6655n],
    ["c.sdsp a0, 120(sp)", 0x4433_2211_8877_6655n],
  ])("%s", async (text, wanted) => {
    const guest = await runProgram(`${text}; wfi`, { registers: { a0: 0x4433_2211_8877_6655n, a1: DATA, sp: DATA } });
    expect(hex(guest.dword(DATA + 120n))).toBe(hex(wanted));
  });
});
