import { describe, expect, it } from "vitest";
import { instructionTable } from "../../../assembly/isa/table.js";
import {
  exception,
  Guest,
  LOAD_ACCESS,
  LOAD_MISALIGNED,
  RAM,
  runProgram,
  runToTrap,
  STORE_ACCESS,
  STORE_MISALIGNED,
} from "../fixture.js";
import { hex, rows, u64 } from "./bench.js";

/** What is in memory, rs2 = what is there afterwards. Worked out by hand from "Zaamo". */
const MODIFY = `
  amoswap.d  1 2 = 2 | M X = X
  amoadd.d   1 2 = 3 | M 1 = 0 | MAX 1 = MIN
  amoxor.d   X X = 0 | 0b1100 0b1010 = 0b0110
  amoand.d   X M = X | 0b1100 0b1010 = 0b1000
  amoor.d    X M = M | 0b1100 0b1010 = 0b1110
  amomin.d   M 0 = M | 0 M = M | MIN MAX = MIN | 5 5 = 5
  amomax.d   M 0 = 0 | 0 M = 0 | MIN MAX = MAX | 5 5 = 5
  amominu.d  M 0 = 0 | 0 M = 0 | MIN MAX = MAX | 1<<32 1 = 1
  amomaxu.d  M 0 = M | 0 M = M | MIN MAX = MIN | 1<<32 1 = 1<<32
  amoswap.w  1 0x5_0000_0002 = 2
  amoadd.w   0xffff_ffff 1 = 0 | 0x7fff_ffff 1 = 0x8000_0000 | 5 0x7_0000_0002 = 7
  amoxor.w   0xff 0x1_0000_0f0f = 0xff0
  amoand.w   0xffff_ffff 0x1_0000_00f0 = 0xf0
  amoor.w    0x0f 0x1_0000_00f0 = 0xff
  amomin.w   0xffff_ffff 0 = 0xffff_ffff | 0 0xffff_ffff = 0xffff_ffff | 0x8000_0000 0x7fff_ffff = 0x8000_0000 | 1 0xf_0000_0002 = 1
  amomax.w   0xffff_ffff 0 = 0 | 0 0xffff_ffff = 0 | 0x8000_0000 0x7fff_ffff = 0x7fff_ffff | 1 0xf_0000_0002 = 2
  amominu.w  0xffff_ffff 0 = 0 | 1 0xf_0000_0002 = 1 | 0x8000_0000 0x7fff_ffff = 0x7fff_ffff | 2 0xf_0000_0001 = 1
  amomaxu.w  0xffff_ffff 0 = 0xffff_ffff | 1 0xf_0000_0002 = 2 | 0x8000_0000 0x7fff_ffff = 0x8000_0000 | 3 0xf_8000_0000 = 0x8000_0000
`;

const NEIGHBOUR = 0xa5a5_a5a5n;
const DATA = RAM + 0x1000n;

describe("atomic memory operations", () => {
  it.each(rows(MODIFY))("$name $operands leaves $result, and the old value in rd", async ({ name, values }) => {
    const [old, operand, wanted] = values as [bigint, bigint, bigint];
    const isWord = name.endsWith(".w");
    const inMemory = (value: bigint) => (isWord ? (NEIGHBOUR << 32n) | value : value);
    const loaded = isWord ? u64(BigInt.asIntN(32, old)) : old;
    // The destination may be a source.
    for (const registers of ["a0, a2, (a1)", "a2, a2, (a1)", "a1, a2, (a1)", "zero, a2, (a1)"]) {
      const guest = await Guest.create(`${name} ${registers}; wfi`, {
        registers: { a1: DATA, a2: operand },
      });
      guest.writeDword(DATA, inMemory(old));
      guest.run();
      const rd = registers.slice(0, registers.indexOf(","));
      expect(hex(guest.dword(DATA)), registers).toBe(hex(inMemory(wanted)));
      expect(hex(guest.x(rd)), registers).toBe(hex(rd === "zero" ? 0n : loaded));
    }
  });

  it("find a page that is in the TLB as well as one that is not", async () => {
    const text = "amoadd.d a0, a2, (a1); amoadd.d a3, a2, (a1); amoadd.w a4, a2, 0(a1); wfi";
    const guest = await runProgram(text, { registers: { a1: DATA, a2: 7n } });
    expect([guest.x("a0"), guest.x("a3"), guest.x("a4"), guest.dword(DATA)]).toEqual([0n, 7n, 14n, 21n]);
  });

  it("have a case for every one of the table", () => {
    const tested = new Set(rows(MODIFY).map((row) => row.name));
    const amos = instructionTable.filter((row) => row.mnemonic.startsWith("amo")).map((row) => row.mnemonic);
    expect(amos.filter((name) => !tested.has(name))).toEqual([]);
  });

  it.each([1, 2, 3, 4, 5, 6, 7])(
    "at an address %i beyond a multiple of 8 fault as misaligned stores",
    async (offset) => {
      // However many address spaces the TLB has numbered, and with the page in it.
      for (let flushes = 0; flushes < 9; flushes++) {
        const text = `${"sfence.vma;".repeat(flushes)} amoadd.d a0, a2, (a1); amoadd.d a0, a2, (a3)`;
        const guest = await runToTrap(text, { registers: { a1: DATA, a3: DATA + BigInt(offset) } });
        expect(exception(guest)).toMatchObject({ cause: STORE_MISALIGNED, tval: DATA + BigInt(offset) });
      }
    },
  );

  it.each([1, 2, 3])("of words at an address %i beyond a multiple of 4 fault as misaligned stores", async (offset) => {
    const text = "sfence.vma; sfence.vma; amoswap.w a0, a2, (a1); amoswap.w a0, a2, (a3)";
    const guest = await runToTrap(text, { registers: { a1: DATA, a3: DATA + BigInt(offset) } });
    expect(exception(guest)).toMatchObject({ cause: STORE_MISALIGNED, tval: DATA + BigInt(offset) });
  });

  it.each(["amoadd.w a0, a2, (a1)", "sc.w a0, a2, (a1)"])("%s to a device is a store access fault", async (text) => {
    const guest = await runToTrap(text, { registers: { a0: 7n, a1: 0x1000_0000n } });
    expect(exception(guest)).toEqual({ cause: STORE_ACCESS, tval: 0x1000_0000n, pc: RAM });
    expect(guest.x("a0")).toBe(7n);
  });
});

describe("load-reserved and store-conditional", () => {
  const registers = { a1: DATA, a2: 0x1234_5678_9abc_def0n, a3: DATA + 64n };

  async function run(text: string): Promise<Guest> {
    const guest = await Guest.create(`${text}; wfi`, { registers });
    guest.writeDword(DATA, 0x8000_0001_8000_0002n);
    guest.run();
    return guest;
  }

  it("store and give 0 when the reservation holds", async () => {
    const guest = await run("lr.d a0, (a1); sc.d a4, a2, (a1)");
    expect([guest.x("a0"), guest.x("a4"), guest.dword(DATA)]).toEqual([0x8000_0001_8000_0002n, 0n, registers.a2]);
  });

  it("work on words, sign-extended, and leave the other word alone", async () => {
    const guest = await run("lr.w a0, (a1); sc.w a4, a2, (a1)");
    expect([hex(guest.x("a0")), guest.x("a4")]).toEqual(["0xffffffff80000002", 0n]);
    expect(hex(guest.dword(DATA))).toBe("0x800000019abcdef0");
  });

  it.each([
    ["without a reservation", "sc.d a4, a2, (a1)"],
    ["at another address", "lr.d a0, (a3); sc.d a4, a2, (a1)"],
    ["the second time", "lr.d a0, (a1); sc.d zero, a0, (a1); sc.d a4, a2, (a1)"],
    ["after one to another address", "lr.d a0, (a1); sc.d zero, a2, (a3); sc.d a4, a2, (a1)"],
    [
      "after a store changed the value",
      "lr.d a0, (a1); sb a0, 1(a1); sb zero, (a1); sb a0, (a1); sb a2, (a1); sc.d a4, a2, (a1)",
    ],
  ])("give 1 and store nothing %s", async (_, text) => {
    const guest = await run(text);
    expect(guest.x("a4")).toBe(1n);
    expect(guest.dword(DATA) === registers.a2).toBe(false);
    expect(guest.dword(DATA + 64n)).toBe(0n);
  });

  it("fault as misaligned load and misaligned store", async () => {
    const lr = await runToTrap("lr.w a0, (a1)", { registers: { a1: DATA + 2n } });
    expect(exception(lr)).toEqual({ cause: LOAD_MISALIGNED, tval: DATA + 2n, pc: RAM });
    const sc = await runToTrap("sc.d a0, a2, (a1)", { registers: { a1: DATA + 4n } });
    expect(exception(sc)).toEqual({ cause: STORE_MISALIGNED, tval: DATA + 4n, pc: RAM });
  });

  it("reserve nothing when the load faults", async () => {
    const guest = await runToTrap("lr.w a0, (a1)", { registers: { a0: 7n, a1: 0x1000_0000n } });
    expect(exception(guest)).toEqual({ cause: LOAD_ACCESS, tval: 0x1000_0000n, pc: RAM });
    expect(guest.x("a0")).toBe(7n);
  });

  it("fail when the host wrote in between", async () => {
    const guest = await Guest.create("lr.d a0, (a1); sc.d a4, a2, (a1); wfi", { registers });
    guest.run(1);
    guest.writeDword(DATA, 99n);
    guest.run();
    expect([guest.x("a4"), guest.dword(DATA)]).toEqual([1n, 99n]);
  });
});

it("a program may increment with LR and SC in a loop", async () => {
  const guest = await runProgram(
    "li a1, 100; 1: lr.w a0, (a2); addi a0, a0, 1; sc.w a3, a0, (a2); bnez a3, 1b; addi a1, a1, -1; bnez a1, 1b; wfi",
    {
      registers: { a2: DATA },
    },
  );
  expect(guest.dword(DATA)).toBe(100n);
});
