import { describe, expect, it } from "vitest";
import {
  FETCH_ACCESS,
  FETCH_PAGE_FAULT,
  LOAD_ACCESS,
  LOAD_PAGE_FAULT,
  MACHINE,
  MENVCFG_ADUE,
  MSTATUS_MPP_S,
  MSTATUS_MPRV,
  MSTATUS_MXR,
  MSTATUS_SUM,
  RAM,
  STORE_ACCESS,
  STORE_PAGE_FAULT,
  SUPERVISOR,
  USER,
} from "./fixture.js";
import { A, ALL, D, G, N, pte, R, type Scheme, U, V, W, X } from "./page-tables.js";
import { hex, u64 } from "./semantics/bench.js";
import { CODE, DATA, FRAME, fault, MEMORY, outcome, world } from "./translated-guest.js";

// Privileged ISA, "Virtual Address Translation Process", and Svnapot, Svadu and Svade.

const ACCESSES = [
  ["lw a0, (a1)", LOAD_PAGE_FAULT],
  ["sw a0, (a1)", STORE_PAGE_FAULT],
  ["amoadd.w a0, a2, (a1)", STORE_PAGE_FAULT],
  ["lr.w a0, (a1)", LOAD_PAGE_FAULT],
  ["sc.w a0, a2, (a1)", STORE_PAGE_FAULT],
  ["jr a1", FETCH_PAGE_FAULT],
  ["cbo.zero (a1)", STORE_PAGE_FAULT],
] as const;

describe.each<[Scheme, bigint[]]>([
  ["sv39", [0n, 0x3f_ffff_f000n, 0xffff_ffc0_0000_0000n, 0xffff_ffff_ffff_f000n]],
  ["sv48", [0n, 0x7fff_ffff_f000n, 0xffff_8000_0000_0000n, 0xffff_ffff_ffff_f000n]],
  ["sv57", [0n, 0xff_ffff_ffff_f000n, 0xff00_0000_0000_0000n, 0xffff_ffff_ffff_f000n]],
])("%s", (scheme, pages) => {
  it.each(pages)("translates the page at %i", async (page) => {
    const here = await world("ld a0, 8(a1); sd a0, 16(a1); li a3, 0xff8; add a1, a1, a3; ld a2, (a1); sb a2, 7(a1)", {
      scheme,
      registers: { a1: page },
    });
    here.tables.map(page, FRAME, ALL);
    here.guest.writeDword(FRAME + 8n, 0x1234n);
    here.guest.writeDword(FRAME + 4088n, 0xabn);
    expect(outcome(here)).toBe("ecall");
    expect(here.guest.dword(FRAME + 16n)).toBe(0x1234n);
    expect(here.guest.dword(FRAME + 4088n)).toBe(0xab00_0000_0000_00abn);
  });

  it.each([1, 2, 3, 4].slice(0, { sv39: 2, sv48: 3, sv57: 4 }[scheme]))("has superpages at level %i", async (level) => {
    const byteLength = 1n << BigInt(12 + 9 * level);
    const page = 3n * byteLength;
    // RAM begins on a multiple of 1 GiB; beyond that a superpage starts at 0 and covers it.
    const start = (RAM / byteLength) * byteLength;
    const here = await world("ld a0, (a1); sd a0, 8(a1)", { scheme, registers: { a1: page + (FRAME - start) } });
    here.tables.map(page, start, ALL, level);
    here.guest.writeDword(FRAME, 0x5678n);
    expect(outcome(here)).toBe("ecall");
    expect(here.guest.dword(FRAME + 8n)).toBe(0x5678n);
  });

  it("faults where a superpage is misaligned", async () => {
    const page = 1n << 30n;
    for (const [text, cause] of ACCESSES) {
      const here = await world(text, { scheme, registers: { a1: page + 4n * 1024n }, csrs: { menvcfg: 1n << 7n } });
      here.tables.map(page, RAM + 0x1000n, ALL, 1);
      expect(outcome(here), text).toBe(fault(cause, page + 4n * 1024n));
    }
  });

  it("faults at addresses that are not sign-extended", async () => {
    const bits = { sv39: 39n, sv48: 48n, sv57: 57n }[scheme];
    for (const address of [
      1n << (bits - 1n),
      1n << bits,
      1n << 63n,
      u64(-1n) ^ (1n << (bits - 1n)),
      u64(-1n) ^ (1n << 63n),
    ]) {
      const here = await world("lb a0, (a1)", { scheme, registers: { a1: address } });
      // What the bits that are looked at would find is there.
      here.tables.map(address & ~0xfffn, FRAME, ALL);
      expect(outcome(here)).toBe(fault(LOAD_PAGE_FAULT, address));
      const jump = await world("jr a1", { scheme, registers: { a1: address & ~1n } });
      expect(outcome(jump)).toBe(fault(FETCH_PAGE_FAULT, address & ~1n));
    }
  });
});

describe("a leaf", () => {
  it.each([
    ["is not valid", ALL & ~V],
    ["is writable but not readable", V | W | A | D],
    ["is writable and executable but not readable", V | W | X | A | D],
    ["has a reserved bit (54)", ALL | (1n << 54n)],
    ["has a reserved bit (60)", ALL | (1n << 60n)],
    ["has Svpbmt's bits, which is not there", ALL | (1n << 61n)],
    ["has Svpbmt's bits (62)", ALL | (1n << 62n)],
  ])("that %s faults whatever the access", async (_, flags) => {
    for (const [text, cause] of ACCESSES) {
      const here = await world(text, { registers: { a1: DATA }, csrs: { menvcfg: 1n << 7n } });
      here.tables.map(DATA, FRAME, flags);
      expect(outcome(here), text).toBe(fault(cause, DATA));
    }
  });

  it("may have any RSW bits and be global", async () => {
    const here = await world("lw a0, (a1); sw a0, (a1)", { registers: { a1: DATA } });
    here.tables.map(DATA, FRAME, ALL | G | (3n << 8n));
    expect(outcome(here)).toBe("ecall");
  });

  it.each([
    ["read-only", V | R | A | D, ["lw", "lr"]],
    ["read-write", V | R | W | A | D, ["lw", "lr", "sw", "amoadd", "sc", "cbo"]],
    ["execute-only", V | X | A | D, ["jr"]],
    ["read-execute", V | R | X | A | D, ["lw", "lr", "jr"]],
  ])("that is %s allows just that", async (_, flags, allowed) => {
    for (const [text, cause] of ACCESSES) {
      const here = await world(text, { registers: { a1: DATA }, csrs: { menvcfg: 1n << 7n } });
      here.tables.map(DATA, FRAME, flags);
      here.guest.core.ram.write(Number(FRAME), new Uint8Array([0x73, 0, 0, 0])); // ecall
      const isAllowed = allowed.some((name) => text.startsWith(name));
      expect(outcome(here), text).toBe(isAllowed ? "ecall" : fault(cause, DATA));
    }
  });

  it("at level 0 that is a pointer faults", async () => {
    const here = await world("lw a0, (a1)", { registers: { a1: DATA } });
    here.tables.map(DATA, FRAME, V);
    expect(outcome(here)).toBe(fault(LOAD_PAGE_FAULT, DATA));
  });
});

describe("a pointer to the next level", () => {
  it.each([
    ["A", A],
    ["D", D],
    ["U", U],
    ["N", N],
    ["a reserved bit", 1n << 58n],
  ])("with %s set faults", async (_, flag) => {
    const here = await world("lw a0, (a1)", { registers: { a1: DATA } });
    here.tables.map(DATA, FRAME, ALL);
    const pointer = here.tables.entry(DATA, 1);
    here.guest.writeDword(pointer, here.guest.dword(pointer) | flag);
    expect(outcome(here)).toBe(fault(LOAD_PAGE_FAULT, DATA));
  });

  it("may be global", async () => {
    const here = await world("lw a0, (a1)", { registers: { a1: DATA } });
    here.tables.map(DATA, FRAME, ALL);
    const pointer = here.tables.entry(DATA, 1);
    here.guest.writeDword(pointer, here.guest.dword(pointer) | G);
    expect(outcome(here)).toBe("ecall");
  });

  it.each([
    ["lw a0, (a1)", LOAD_ACCESS],
    ["sw a0, (a1)", STORE_ACCESS],
    ["jr a1", FETCH_ACCESS],
    ["amoadd.w a0, a0, (a1)", STORE_ACCESS],
  ])("to outside RAM makes %s an access fault", async (text, cause) => {
    for (const table of [0x1000n, 0xf_ffff_ffff_f000n, RAM + BigInt(MEMORY)]) {
      const here = await world(text, { registers: { a1: DATA + 8n } });
      here.guest.writeDword(here.tables.entry(DATA, 2), pte(table, V));
      expect(outcome(here)).toBe(fault(cause, DATA + 8n));
    }
  });

  it("to outside RAM, in satp itself, makes the next fetch an access fault", async () => {
    const here = await world("nop");
    here.guest.setCsr("satp", (8n << 60n) | 0x12345n);
    expect(outcome(here)).toBe(fault(FETCH_ACCESS, CODE));
  });
});

describe("a mapping to physical addresses without RAM", () => {
  it.each([
    ["lw a0, 4(a1)", LOAD_ACCESS, 4n],
    ["sw a0, 4(a1)", STORE_ACCESS, 4n],
    ["jr a1", FETCH_ACCESS, 0n],
  ])("makes %s an access fault with the virtual address", async (text, cause, offset) => {
    for (const paddr of [0n, 0xff_ffff_ffff_f000n]) {
      const here = await world(text, { registers: { a1: DATA } });
      here.tables.map(DATA, paddr, ALL);
      expect(outcome(here)).toBe(fault(cause, DATA + offset));
    }
  });
});

describe("A and D", () => {
  it.each([
    ["lw a0, (a1)", 0n, LOAD_PAGE_FAULT],
    ["lw a0, (a1)", D, LOAD_PAGE_FAULT],
    ["sw a0, (a1)", A, STORE_PAGE_FAULT],
    ["sw a0, (a1)", 0n, STORE_PAGE_FAULT],
    ["amoadd.w a0, a0, (a1)", A, STORE_PAGE_FAULT],
    ["jr a1", 0n, FETCH_PAGE_FAULT],
  ])("clear make %s (%i) fault without menvcfg.ADUE, and are not touched", async (text, set, cause) => {
    const here = await world(text, { registers: { a1: DATA } });
    const leaf = here.tables.map(DATA, FRAME, V | R | W | X | set);
    expect(outcome(here)).toBe(fault(cause, DATA));
    expect(here.guest.dword(leaf)).toBe(pte(FRAME, V | R | W | X | set));
  });

  it.each([
    ["lw a0, (a1)", 0n, A],
    ["lw a0, (a1)", D, A | D],
    ["sw a0, (a1)", 0n, A | D],
    ["sw a0, (a1)", A, A | D],
    ["lw a0, (a1); sw a0, (a1)", 0n, A | D],
    ["amoadd.w a0, a0, (a1)", A, A | D],
    ["sc.w a0, a0, (a1)", A, A | D],
    ["jr a1", 0n, A],
  ])("are set by %s (%i) with menvcfg.ADUE", async (text, set, wanted) => {
    const here = await world(text, { registers: { a1: DATA }, csrs: { menvcfg: MENVCFG_ADUE } });
    here.guest.core.ram.write(Number(FRAME), new Uint8Array([0x73, 0, 0, 0])); // ecall
    const leaf = here.tables.map(DATA, FRAME, V | R | W | X | set);
    expect(outcome(here)).toBe("ecall");
    expect(here.guest.dword(leaf)).toBe(pte(FRAME, V | R | W | X | wanted));
  });

  it("are set in a superpage's leaf too", async () => {
    const here = await world("sw a0, 1024(a1)", { registers: { a1: DATA }, csrs: { menvcfg: MENVCFG_ADUE } });
    const leaf = here.tables.map(DATA, RAM, V | R | W, 1);
    expect(outcome(here)).toBe("ecall");
    expect(here.guest.dword(leaf)).toBe(pte(RAM, V | R | W | A | D));
  });

  it("are not set by an access that faults for another reason", async () => {
    const here = await world("sw a0, (a1)", { registers: { a1: DATA }, csrs: { menvcfg: MENVCFG_ADUE } });
    const leaf = here.tables.map(DATA, FRAME, V | R);
    expect(outcome(here)).toBe(fault(STORE_PAGE_FAULT, DATA));
    expect(here.guest.dword(leaf)).toBe(pte(FRAME, V | R));
  });

  it("turning ADUE off makes them count again", async () => {
    const here = await world("lw a0, (a1); ecall", { registers: { a1: DATA }, csrs: { menvcfg: MENVCFG_ADUE } });
    here.tables.map(DATA, FRAME, V | R | W);
    expect(outcome(here)).toBe("ecall");
    here.guest.setCsr("menvcfg", 0n);
    here.guest.hart.start(RAM, SUPERVISOR, 0n, DATA);
    here.guest.core.ram.write(Number(RAM), new Uint8Array([0x23, 0xa0, 0xa5, 0])); // sw a0, 0(a1)
    expect(outcome(here)).toBe(fault(STORE_PAGE_FAULT, DATA));
  });
});

describe("privilege", () => {
  it("user mode needs U", async () => {
    for (const [text, cause] of ACCESSES.slice(0, 6)) {
      const here = await world(text, { privilege: USER, registers: { a1: DATA } });
      here.tables.map(DATA, FRAME, ALL);
      expect(outcome(here), text).toBe(fault(cause, DATA));
    }
  });

  it.each([
    ["lw a0, (a1)", 0n, fault(LOAD_PAGE_FAULT, DATA)],
    ["sw a0, (a1)", 0n, fault(STORE_PAGE_FAULT, DATA)],
    ["jr a1", 0n, fault(FETCH_PAGE_FAULT, DATA)],
    ["lw a0, (a1)", MSTATUS_SUM, "ecall"],
    ["sw a0, (a1)", MSTATUS_SUM, "ecall"],
    // SUM never lets supervisor mode execute user pages.
    ["jr a1", MSTATUS_SUM, fault(FETCH_PAGE_FAULT, DATA)],
  ])("supervisor mode's %s of a user page with mstatus %i: %s", async (text, mstatus, wanted) => {
    const here = await world(text, { registers: { a1: DATA }, csrs: { mstatus } });
    here.tables.map(DATA, FRAME, ALL | U);
    expect(outcome(here)).toBe(wanted);
  });

  it("SUM takes effect with the instruction that changes it, both ways", async () => {
    const here = await world("csrs sstatus, a2; lw a0, (a1); csrc sstatus, a2; lw a0, 4(a1)", {
      registers: { a1: DATA, a2: MSTATUS_SUM },
    });
    here.tables.map(DATA, FRAME, ALL | U);
    expect(outcome(here)).toBe(fault(LOAD_PAGE_FAULT, DATA + 4n));
  });

  it("MXR lets what is executable be read, with the instruction that changes it, both ways", async () => {
    const here = await world("csrs sstatus, a2; lw a0, (a1); csrc sstatus, a2; lw a0, 4(a1)", {
      registers: { a1: DATA, a2: MSTATUS_MXR },
    });
    here.tables.map(DATA, FRAME, V | X | A);
    expect(outcome(here)).toBe(fault(LOAD_PAGE_FAULT, DATA + 4n));
  });

  it("MXR never lets it be written", async () => {
    const here = await world("sw a0, (a1)", { registers: { a1: DATA }, csrs: { mstatus: MSTATUS_MXR } });
    here.tables.map(DATA, FRAME, V | X | A | D);
    expect(outcome(here)).toBe(fault(STORE_PAGE_FAULT, DATA));
  });

  it("machine mode does not translate, but MPRV lends its loads and stores MPP's eyes", async () => {
    const text = `
      ld a2, (a1)
      csrs mstatus, a3
      ld a4, (a5)
      ld a6, (a1)`;
    const here = await world(text, {
      privilege: MACHINE,
      registers: { a1: FRAME, a3: MSTATUS_MPRV | MSTATUS_MPP_S, a5: DATA },
    });
    here.tables.map(DATA, FRAME, ALL);
    here.guest.writeDword(FRAME, 77n);
    expect(outcome(here)).toBe(fault(LOAD_PAGE_FAULT, FRAME));
    expect([here.guest.x("a2"), here.guest.x("a4")]).toEqual([77n, 77n]);
  });

  it("MPRV with MPP = U sees user pages only", async () => {
    const here = await world("ld a0, (a1); ld a0, (a2)", {
      privilege: MACHINE,
      registers: { a1: DATA, a2: DATA + 0x1000n },
      csrs: { mstatus: MSTATUS_MPRV },
    });
    here.tables.map(DATA, FRAME, ALL | U);
    here.tables.map(DATA + 0x1000n, FRAME, ALL);
    expect(outcome(here)).toBe(fault(LOAD_PAGE_FAULT, DATA + 0x1000n));
  });
});

describe("accesses across pages", () => {
  const END = DATA + 0x1000n;
  it("are translated page by page", async () => {
    const here = await world("ld a0, -3(a1); sd a0, -5(a2)", { registers: { a1: END, a2: END } });
    here.tables.map(DATA, FRAME + 0x5000n, ALL);
    here.tables.map(END, FRAME, ALL);
    here.guest.writeDword(FRAME + 0x5ff8n, 0x3322_1100_0000_0000n);
    here.guest.writeDword(FRAME, 0x88_7766_5544n);
    expect(outcome(here)).toBe("ecall");
    expect(hex(here.guest.x("a0"))).toBe("0x8877665544332211");
    expect(hex(here.guest.dword(FRAME + 0x5ff8n))).toBe("0x5544332211000000");
    // Three bytes of the second page are written: 66, 77, 88 over 44, 55, 66.
    expect(hex(here.guest.dword(FRAME))).toBe("0x8877887766");
  });

  it.each([
    ["ld a0, -4(a1)", LOAD_PAGE_FAULT],
    ["sd a0, -4(a1)", STORE_PAGE_FAULT],
  ])("%s fault at the part that is missing, and store nothing", async (text, cause) => {
    const second = await world(text, { registers: { a0: u64(-1n), a1: END } });
    second.tables.map(DATA, FRAME, ALL);
    expect(outcome(second)).toBe(fault(cause, END));
    expect(second.guest.dword(FRAME + 0xff8n)).toBe(0n);
    const first = await world(text, { registers: { a0: u64(-1n), a1: END } });
    first.tables.map(END, FRAME, ALL);
    expect(outcome(first)).toBe(fault(cause, END - 4n));
    expect(first.guest.dword(FRAME)).toBe(0n);
  });

  it("a store that faults on its second page has not touched the first, even when that is writable", async () => {
    const here = await world("sd a0, -4(a1)", { registers: { a0: u64(-1n), a1: END } });
    here.tables.map(DATA, FRAME, ALL);
    here.tables.map(END, FRAME + 0x1000n, V | R | A | D);
    expect(outcome(here)).toBe(fault(STORE_PAGE_FAULT, END));
    expect(here.guest.dword(FRAME + 0xff8n)).toBe(0n);
  });

  it("an instruction whose second half is on a page that cannot be executed faults there, with its own pc", async () => {
    const here = await world("jr a1", { registers: { a1: END - 2n } });
    here.tables.map(DATA, FRAME, ALL);
    here.tables.map(END, FRAME + 0x1000n, ALL & ~X);
    here.guest.core.ram.write(Number(FRAME) + 0xffe, new Uint8Array([0x13, 0]));
    expect(outcome(here)).toBe(fault(FETCH_PAGE_FAULT, END));
    expect(here.guest.csr("mepc")).toBe(END - 2n);
  });

  it("an instruction may have its halves on pages that are far apart in memory", async () => {
    const here = await world("jr a1", { registers: { a1: END - 2n } });
    here.tables.map(DATA, FRAME + 0x3000n, ALL);
    here.tables.map(END, FRAME, ALL);
    here.guest.core.ram.write(Number(FRAME) + 0x3ffe, new Uint8Array([0x13, 0x05])); // addi a0, zero, 0x123
    here.guest.core.ram.write(Number(FRAME), new Uint8Array([0x30, 0x12, 0x73, 0, 0, 0])); // then ecall
    expect(outcome(here)).toBe("ecall");
    expect(here.guest.x("a0")).toBe(0x123n);
  });
});

describe("Svnapot", () => {
  const RANGE = 0x4001_0000n;
  it("maps 16 pages at once when ppn[3:0] is 1000", async () => {
    const here = await world("ld a0, (a1); ld a2, (a3); sd a2, (a4)", {
      registers: { a1: RANGE, a3: RANGE + 0xf008n, a4: RANGE + 0x7010n },
    });
    // All 16 entries say the same.
    for (let n = 0n; n < 16n; n++) here.tables.map(RANGE + n * 0x1000n, FRAME + 0x8000n, ALL | N);
    here.guest.writeDword(FRAME, 1n);
    here.guest.writeDword(FRAME + 0xf008n, 2n);
    expect(outcome(here)).toBe("ecall");
    expect([here.guest.x("a0"), here.guest.x("a2"), here.guest.dword(FRAME + 0x7010n)]).toEqual([1n, 2n, 2n]);
  });

  it.each([0n, 1n, 4n, 7n, 9n, 12n])("faults when ppn[3:0] is %i", async (low) => {
    const here = await world("ld a0, (a1)", { registers: { a1: RANGE } });
    here.tables.map(RANGE, FRAME + low * 0x1000n, ALL | N);
    expect(outcome(here)).toBe(fault(LOAD_PAGE_FAULT, RANGE));
  });

  it("is for the last level only", async () => {
    const here = await world("ld a0, (a1)", { registers: { a1: DATA } });
    here.tables.map(DATA, RAM, ALL | N, 1);
    expect(outcome(here)).toBe(fault(LOAD_PAGE_FAULT, DATA));
  });
});
