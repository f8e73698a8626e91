import { describe, expect, it } from "vitest";
import { type Guest, LOAD_PAGE_FAULT, RAM } from "./fixture.js";
import { ALL, G, PageTables, pte } from "./page-tables.js";
import { CODE, DATA, FRAME, fault, outcome, TABLES, world } from "./translated-guest.js";

// What may be remembered of a translation: Privileged ISA, "Supervisor Memory-Management Fence Instruction"; Svinval.

describe("sfence.vma", () => {
  // The program reads, changes the leaf at a3 to a4, fences, reads again.
  const program = (fence: string) => `ld a0, (a1); sd a4, (a3); ${fence}; ld a2, (a1)`;
  const FENCES = [
    "sfence.vma",
    "sfence.vma a1",
    "sfence.vma zero, a5",
    "sfence.vma a1, a5",
    "sinval.vma a1, a5",
    "sfence.w.inval; sinval.vma zero, zero; sfence.inval.ir",
  ];

  async function remap(fence: string, level: number, asid = 0n, flags = ALL): Promise<Guest> {
    const leafPage = 0x7000_0000n;
    const here = await world(program(fence), { registers: { a1: DATA + 8n, a5: asid, a6: DATA + 0x1f_f000n } });
    const base = level === 0 ? FRAME : RAM;
    const other = level === 0 ? FRAME + 0x1000n : RAM + 0x20_0000n;
    const leaf = here.tables.map(DATA, base, flags, level);
    here.tables.map(leafPage, leaf & ~0xfffn, ALL);
    here.guest.hart.setX(13, leafPage | (leaf & 0xfffn));
    here.guest.hart.setX(14, pte(other, flags));
    const offset = level === 0 ? 0n : FRAME - RAM;
    here.guest.hart.setX(11, DATA + offset + 8n);
    here.guest.writeDword(base + offset + 8n, 1n);
    here.guest.writeDword(other + offset + 8n, 2n);
    here.guest.setCsr("satp", here.tables.satp(asid));
    expect(outcome(here)).toBe("ecall");
    return here.guest;
  }

  it.each(FENCES)("%s makes a changed leaf count", async (fence) => {
    for (const level of [0, 1]) {
      const guest = await remap(fence, level, 5n);
      expect([guest.x("a0"), guest.x("a2")]).toEqual([1n, 2n]);
    }
  });

  it.each(["sfence.vma", "sfence.vma a1"])("%s reaches global pages", async (fence) => {
    const guest = await remap(fence, 0, 5n, ALL | G);
    expect([guest.x("a0"), guest.x("a2")]).toEqual([1n, 2n]);
  });

  it("of any address in a superpage reaches all of it", async () => {
    const guest = await remap("sfence.vma a6", 1);
    expect([guest.x("a0"), guest.x("a2")]).toEqual([1n, 2n]);
  });

  it("of one page also forgets where code is fetched from", async () => {
    // A page whose place in the TLB is not that of the code which calls it.
    const page = DATA + 0x5000n;
    const text = "jalr a1; sd a4, (a3); sfence.vma a1; jalr a1";
    const here = await world(text, { registers: { a1: page } });
    const leaf = here.tables.map(page, FRAME, ALL);
    here.tables.map(0x7000_0000n, leaf & ~0xfffn, ALL);
    here.guest.hart.setX(13, 0x7000_0000n | (leaf & 0xfffn));
    here.guest.hart.setX(14, pte(FRAME + 0x1000n, ALL));
    here.guest.core.ram.write(Number(FRAME), new Uint8Array([0x05, 0x05, 0x82, 0x80])); // c.addi a0, 1; c.jr ra
    here.guest.core.ram.write(Number(FRAME) + 0x1000, new Uint8Array([0x41, 0x05, 0x82, 0x80])); // c.addi a0, 16
    expect(outcome(here)).toBe("ecall");
    expect(here.guest.x("a0")).toBe(17n);
  });

  it("a leaf that becomes invalid faults after the fence", async () => {
    const here = await world("ld a0, (a1); sd zero, (a3); sfence.vma a1, zero; ld a2, (a1)", {
      registers: { a1: DATA },
    });
    const leaf = here.tables.map(DATA, FRAME, ALL);
    here.tables.map(0x7000_0000n, leaf & ~0xfffn, ALL);
    here.guest.hart.setX(13, 0x7000_0000n | (leaf & 0xfffn));
    expect(outcome(here)).toBe(fault(LOAD_PAGE_FAULT, DATA));
  });
});

describe("address spaces", () => {
  it("each satp sees its own pages, over and over, without a fence", async () => {
    // Two trees, distinguished by ASID; the program switches between them and adds up what it reads.
    const here = await world(
      "li a4, 100; 1: csrw satp, a2; ld a0, (a1); add a5, a5, a0; csrw satp, a3; ld a0, (a1); add a5, a5, a0; addi a4, a4, -1; bnez a4, 1b",
      {
        registers: { a1: DATA },
      },
    );
    const second = new PageTables(here.guest, "sv39", TABLES + 0x1_0000n);
    second.map(CODE, CODE, ALL);
    here.tables.map(DATA, FRAME, ALL);
    second.map(DATA, FRAME + 0x1000n, ALL);
    here.guest.writeDword(FRAME, 1n);
    here.guest.writeDword(FRAME + 0x1000n, 1000n);
    here.guest.hart.setX(12, here.tables.satp(1n));
    here.guest.hart.setX(13, second.satp(2n));
    expect(outcome(here)).toBe("ecall");
    expect(here.guest.x("a5")).toBe(100_100n);
  });

  it("more of them than the TLB has names for do not mix", async () => {
    const here = await world(
      "1: csrw satp, a2; ld a0, (a1); add a5, a5, a0; add a2, a2, a3; addi a4, a4, -1; bnez a4, 1b",
      {
        registers: { a1: DATA, a3: 1n << 44n, a4: 40n },
      },
    );
    here.tables.map(DATA, FRAME, ALL);
    here.guest.writeDword(FRAME, 3n);
    here.guest.hart.setX(12, here.tables.satp(1n));
    expect(outcome(here)).toBe("ecall");
    expect(here.guest.x("a5")).toBe(120n);
  });

  it("a fence for one ASID leaves the translation right in all", async () => {
    const here = await world(
      "ld a0, (a1); csrw satp, a2; ld a3, (a1); sfence.vma zero, a4; ld a5, (a1); csrw satp, a6; ld a7, (a1)",
      {
        registers: { a1: DATA, a4: 2n },
      },
    );
    here.tables.map(DATA, FRAME, ALL);
    here.guest.writeDword(FRAME, 9n);
    here.guest.hart.setX(12, here.tables.satp(2n));
    here.guest.hart.setX(16, here.tables.satp(1n));
    here.guest.setCsr("satp", here.tables.satp(1n));
    expect(outcome(here)).toBe("ecall");
    expect(["a0", "a3", "a5", "a7"].map((r) => here.guest.x(r))).toEqual([9n, 9n, 9n, 9n]);
  });

  it("the TLB survives thousands of flushes, when its numbers start again", async () => {
    const here = await world("1: ld a0, (a1); add a5, a5, a0; sfence.vma; addi a4, a4, -1; bnez a4, 1b", {
      registers: { a1: DATA, a4: 5000n },
    });
    here.tables.map(DATA, FRAME, ALL);
    here.guest.writeDword(FRAME, 1n);
    here.guest.run(30_000);
    expect(outcome(here)).toBe("ecall");
    expect(here.guest.x("a5")).toBe(5000n);
  });
});
