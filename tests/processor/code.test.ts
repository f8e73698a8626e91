import { describe, expect, it } from "vitest";
import { assemble } from "../../assembly/isa/assemble.js";
import { encode } from "../../assembly/isa/encode.js";
import {
  exception,
  Guest,
  ILLEGAL,
  MSTATUS_FS,
  OPEN_PMP,
  PAGE,
  RAM,
  runProgram,
  runToTrap,
  SUPERVISOR,
} from "./fixture.js";
import { ALL, PageTables, pte } from "./page-tables.js";

// Code that changes under the processor: decoded instructions must never outlive their bytes.

const word = (text: string) => BigInt(new DataView(assemble(text).bytes.buffer).getUint32(0, true));

describe("a program that writes its own code", () => {
  it("may change the very next instruction", async () => {
    const guest = await runProgram("la a1, target; fence.i; sw a2, (a1)\ntarget: li a0, 1; wfi", {
      registers: { a2: word("li a0, 2") },
    });
    expect(guest.x("a0")).toBe(2n);
  });

  it("may change instructions it has executed, again and again", async () => {
    // The loop adds a constant that each round increments.
    const guest = await runProgram(
      `la a1, target; lw a2, (a1); li a4, 200
      1:
      target: addi a0, a0, 0
      lui a3, 0x100 // 1 in the place of the immediate
      add a2, a2, a3; sw a2, (a1)
      addi a4, a4, -1; bnez a4, 1b; wfi`,
    );
    // 0 + 1 + ... + 199.
    expect(guest.x("a0")).toBe(19_900n);
  });

  it.each([
    ["sh a2, 2(a1)", 0x0020n, 2n], // the half with the immediate
    ["sb a2, 3(a1)", 0x00n, 1n], // its upper byte: 0x7f1 becomes 0x001
    ["sw a2, -1(a1)", word("li a0, 0x7f2") << 8n, 0x7f2n], // three bytes of it
    ["sd a2, -4(a1)", word("li a0, 2") << 32n, 2n],
    ["amoswap.w zero, a2, (a1)", word("li a0, 2"), 2n],
    ["fsw fa2, (a1)", word("li a0, 2"), 2n],
    ["lr.w zero, (a1); sc.w zero, a2, (a1)", word("li a0, 2"), 2n],
  ])("may do so with %s", async (store, value, wanted) => {
    const guest = await Guest.create(
      `la a1, target; jal target; ${store}; jal target; wfi\n.align 6\n.zero 64\ntarget: li a0, 0x7f1; ret`,
      { registers: { a2: value, fa2: value }, csrs: { mstatus: MSTATUS_FS } },
    );
    guest.run();
    expect(guest.x("a0")).toBe(wanted);
  });

  it("may clear it with cbo.zero, after which it is no instruction", async () => {
    const guest = await runToTrap(
      "la a1, target; jal target; cbo.zero (a1); jal target\n.align 6\ntarget: li a0, 1; ret\n.align 6",
    );
    expect(exception(guest)).toEqual({ cause: ILLEGAL, tval: 0n, pc: guest.symbol("target") });
  });

  it("may change a wide instruction's second half only", async () => {
    const guest = await runProgram(
      "la a1, target; jal target; li a2, 0x0070; sh a2, 2(a1); jal target; wfi\n.half 0x0001\ntarget: li a0, 1; ret",
    );
    expect(guest.x("a0")).toBe(7n);
  });

  it("may change either half of an instruction that lies on two pages", async () => {
    for (const [offset, value, wanted] of [
      [2, 0x0070n, 7n], // on the second page: the immediate
      [0, 0x0593n, 1n], // on the first page: now a1 is loaded
    ] as const) {
      const guest = await runProgram(
        `la a3, target; jal target; li a2, ${value}; sh a2, ${offset}(a3); jal target; wfi\n.org 0x80000ffe\ntarget: li a0, 1; ret`,
      );
      expect(guest.x(offset === 0 ? "a1" : "a0")).toBe(wanted);
    }
  });

  it("may write so much that its pages are no longer taken for code, and run them again", async () => {
    const guest = await runProgram(
      `la a1, area; li a5, 3
      round: li a4, 500; mv a3, a1
      1: sw a2, (a3); addi a3, a3, 4; addi a4, a4, -1; bnez a4, 1b
      sw a6, (a3)
      jalr a1
      addi a5, a5, -1; bnez a5, round; wfi
      .align 12
      area: ret`,
      { registers: { a2: word("addi a0, a0, 1"), a6: word("ret") } },
      20_000,
    );
    expect(guest.x("a0")).toBe(1500n);
  });

  it("may write the page it runs on until it is no longer taken for code", async () => {
    const guest = await runProgram(
      "la a1, data; li a4, 1000; 1: lw a2, (a1); addi a2, a2, 1; sw a2, (a1); addi a4, a4, -1; bnez a4, 1b; wfi\n.align 3\ndata: .word 0",
      {},
      20_000,
    );
    expect(guest.core.ram.readU32(Number(guest.symbol("data")))).toBe(1000);
  });

  it("sees what it wrote through another address of the same page", async () => {
    const guest = await Guest.create("jal sub; sw a2, (a1); jal sub; wfi\n.align 4\nsub: li a0, 1; ret", {
      privilege: SUPERVISOR,
      csrs: OPEN_PMP,
      registers: { a2: word("li a0, 2") },
    });
    const tables = new PageTables(guest, "sv39", RAM + 0x1_0000n);
    tables.map(RAM, RAM, ALL);
    tables.map(0x4000_0000n, RAM, ALL);
    guest.setCsr("satp", tables.satp());
    guest.hart.setX(11, 0x4000_0000n + guest.symbol("sub") - RAM);
    guest.run();
    expect(guest.x("a0")).toBe(2n);
  });
});

describe("pages of code", () => {
  it("more than the processor keeps decoded at once all run, twice", async () => {
    // 1,100 pages, each: add one, jump to the next page; the last returns.
    const count = 1100;
    const guest = await Guest.create("jal ra, chain; jal ra, chain; wfi\n.org 0x80001000\nchain:", {
      memoryByteLength: 8 * 1024 * 1024,
    });
    for (let n = 0; n < count; n++) {
      const next =
        n === count - 1 ? encode("jalr", { rd: 0, rs1: 1, imm: 0 }) : encode("jal", { rd: 0, imm: PAGE - 4 });
      const bytes = new DataView(new ArrayBuffer(8));
      bytes.setUint32(0, encode("addi", { rd: 10, rs1: 10, imm: 1 }), true);
      bytes.setUint32(4, next, true);
      guest.core.ram.write(Number(RAM) + (n + 1) * PAGE, new Uint8Array(bytes.buffer));
    }
    expect(guest.run()).toBe(1);
    expect(guest.x("a0")).toBe(2n * BigInt(count));
  });

  it("remapped while they run take effect after the fence", async () => {
    // The leaf of the page being executed changes; the code goes on in the other frame at the same address.
    const guest = await Guest.create("nop", { privilege: SUPERVISOR, csrs: OPEN_PMP });
    const tables = new PageTables(guest, "sv39", RAM + 0x1_0000n);
    const leaf = tables.map(0x4000_0000n, RAM + 0x4000n, ALL);
    tables.map(0x7000_0000n, leaf & ~0xfffn, ALL);
    const code = (text: string) => assemble(text, 0x4000_0000n).bytes;
    guest.core.ram.write(Number(RAM) + 0x4000, code("li a0, 1; sd a4, (a3); sfence.vma; li a0, 2; wfi"));
    guest.core.ram.write(Number(RAM) + 0x5000, code("nop; nop; nop; li a0, 3; wfi"));
    guest.hart.setX(13, 0x7000_0000n | (leaf & 0xfffn));
    guest.hart.setX(14, pte(RAM + 0x5000n, ALL));
    guest.setCsr("satp", tables.satp());
    guest.hart.pc = 0x4000_0000n;
    expect(guest.run(100)).toBe(1);
    expect(guest.x("a0")).toBe(3n);
  });
});

describe("the host", () => {
  it("may write code that was executed, between runs", async () => {
    const guest = await Guest.create("1: addi a0, a0, 1; j 1b");
    guest.run(10);
    guest.core.ram.writeU32(Number(RAM), Number(word("addi a0, a0, 100")));
    guest.run(10);
    expect(guest.x("a0")).toBe(5n + 500n);
    guest.core.ram.write(Number(RAM), assemble("addi a0, a0, 1000").bytes);
    guest.run(10);
    expect(guest.x("a0")).toBe(5n + 500n + 5000n);
    guest.core.ram.writeU16(Number(RAM) + 2, 0x0005); // addi a0, a0, 0
    guest.run(10);
    expect(guest.x("a0")).toBe(5505n);
  });

  it.each([4, 200])(
    "may write %i bytes of the code being executed during an access to a device",
    async (byteLength) => {
      // A device that overwrites the instruction after the store, as DMA would.
      let guest: Guest | undefined;
      const replacement = new Uint8Array(byteLength);
      for (let n = 0; n < byteLength; n += 4) replacement.set(assemble("addi a0, a0, 1").bytes, n);
      guest = await Guest.create(`2: nop; 1: sw zero, (a1)\ntarget: ${"addi a0, a0, 16;".repeat(60)} wfi`, {
        registers: { a1: 0x1000_0000n },
        mmio: {
          read: () => -1,
          write: () => {
            guest!.core.ram.write(Number(guest!.symbol("target")), replacement);
            return true;
          },
        },
      });
      guest.run();
      const replaced = BigInt(byteLength / 4);
      expect(guest.x("a0")).toBe(replaced + 16n * (60n - replaced));
    },
  );

  it("may write across the end of a page of code", async () => {
    const guest = await Guest.create("j 1f\n.org 0x80000ffc\n1: c.li a0, 1; c.li a1, 1; c.li a2, 1; j .");
    guest.run(10);
    guest.core.ram.write(Number(RAM) + 0xffc, assemble("c.li a0, 2; c.li a1, 2; c.li a2, 2").bytes);
    guest.hart.pc = RAM;
    guest.run(10);
    expect([guest.x("a0"), guest.x("a1"), guest.x("a2")]).toEqual([2n, 2n, 2n]);
  });
});
