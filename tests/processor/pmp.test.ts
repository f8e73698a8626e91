import { describe, expect, it } from "vitest";
import {
  exception,
  FETCH_ACCESS,
  Guest,
  LOAD_ACCESS,
  MACHINE,
  MACHINE_ECALL,
  MSTATUS_MPP_S,
  MSTATUS_MPRV,
  RAM,
  runProgram,
  runToTrap,
  STORE_ACCESS,
  SUPERVISOR,
  SUPERVISOR_ECALL,
  USER,
  USER_ECALL,
} from "./fixture.js";
import { ALL, PageTables } from "./page-tables.js";
import { hex } from "./semantics/bench.js";

// Privileged ISA, "Physical Memory Protection".

const R = 1;
const W = 2;
const X = 4;
const TOR = 1 << 3;
const NA4 = 2 << 3;
const NAPOT = 3 << 3;
const LOCK = 1 << 7;

const MENVCFG_CBZE = 1n << 7n;

const DATA = RAM + 0x4000n;

interface Entry {
  readonly config: number;
  /** In bytes: of the range's end for TOR, of the range for NA4. */
  readonly address: bigint;
  /** In bytes, for NAPOT. */
  readonly byteLength?: bigint;
}

/** CSR values of entries, the first of the highest priority. */
function entries(...list: readonly Entry[]): Record<string, bigint> {
  const csrs: Record<string, bigint> = {};
  let config = 0n;
  list.forEach(({ config: bits, address, byteLength }, n) => {
    csrs[`pmpaddr${n}`] = byteLength === undefined ? address >> 2n : (address >> 2n) | (byteLength / 8n - 1n);
    config |= BigInt(bits) << BigInt(8 * n);
  });
  return { ...csrs, pmpcfg0: config };
}

const EVERYTHING: Entry = { config: NAPOT | R | W | X, address: 0n, byteLength: 1n << 56n };
const napot = (config: number, address: bigint, byteLength: bigint): Entry => ({
  config: NAPOT | config,
  address,
  byteLength,
});

/** What ends a program that does one thing: "ecall", or the cause and tval of its fault. */
async function outcome(
  text: string,
  privilege: number,
  csrs: Readonly<Record<string, bigint>>,
  a1 = DATA,
): Promise<string> {
  const guest = await runToTrap(`${text}; ecall`, { privilege, csrs, registers: { a1 } });
  const { cause, tval } = exception(guest);
  return [USER_ECALL, SUPERVISOR_ECALL, MACHINE_ECALL].includes(cause) ? "ecall" : `${cause} ${hex(tval)}`;
}
const fault = (cause: bigint, tval = DATA) => `${cause} ${hex(tval)}`;

describe("rights", () => {
  const ACCESSES = [
    ["lw a0, (a1)", R, LOAD_ACCESS],
    ["sw a0, (a1)", W, STORE_ACCESS],
    ["lr.w a0, (a1)", R, LOAD_ACCESS],
    ["amoadd.w a0, a0, (a1)", W, STORE_ACCESS],
    ["jr a1", X, FETCH_ACCESS],
  ] as const;

  it.each([0, R, R | W, X, R | X, R | W | X])("%i are what supervisor and user mode have", async (rights) => {
    for (const privilege of [SUPERVISOR, USER]) {
      for (const [text, needed, cause] of ACCESSES) {
        const csrs = entries(napot(rights, DATA, 4096n), EVERYTHING);
        const guest = await runToTrap(`${text}; ecall`, { privilege, csrs, registers: { a1: DATA } });
        const isAllowed = (rights & needed) !== 0;
        // Zeros at DATA are no instruction: cause 2 says that they were fetched.
        const allowed = text === "jr a1" ? [2n] : [USER_ECALL, SUPERVISOR_ECALL];
        expect(isAllowed ? allowed : [cause], text).toContain(exception(guest).cause);
      }
    }
  });

  it("write without read cannot be set", async () => {
    const guest = await runProgram("li a0, 0x1a; csrw pmpcfg0, a0; csrr a1, pmpcfg0; wfi");
    expect(guest.x("a1")).toBe(BigInt(NAPOT));
  });

  it("without any entry supervisor and user mode have none, machine mode all", async () => {
    expect(await outcome("nop", SUPERVISOR, {})).toBe(fault(FETCH_ACCESS, RAM));
    expect(await outcome("nop", USER, {})).toBe(fault(FETCH_ACCESS, RAM));
    expect(await outcome("lw a0, (a1); sw a0, (a1)", MACHINE, {})).toBe("ecall");
  });

  it("where no entry matches are none for supervisor and user mode, all for machine mode", async () => {
    const csrs = entries(napot(R | W | X, RAM, 4096n));
    expect(await outcome("lw a0, (a1)", SUPERVISOR, csrs)).toBe(fault(LOAD_ACCESS));
    expect(await outcome("lw a0, (a1)", USER, csrs)).toBe(fault(LOAD_ACCESS));
    expect(await outcome("lw a0, (a1)", MACHINE, csrs)).toBe("ecall");
  });

  it("of the entry with the lowest number decide", async () => {
    expect(await outcome("lw a0, (a1)", SUPERVISOR, entries(napot(0, DATA, 8n), EVERYTHING))).toBe(fault(LOAD_ACCESS));
    expect(await outcome("lw a0, (a1)", SUPERVISOR, entries(EVERYTHING, napot(0, DATA, 8n)))).toBe("ecall");
  });
});

describe("address matching", () => {
  /** Which of the words from DATA - 16 up an entry lets supervisor mode load. */
  async function loadable(first: readonly Entry[], from = DATA - 16n, count = 16): Promise<string> {
    // The code's page is open; the handler notes a fault and goes on.
    const code: Entry = napot(R | W | X, RAM, 4096n);
    const guest = await Guest.create(
      `1: li a0, 1; lw a2, (a1)
      slli a3, a3, 1; or a3, a3, a0; addi a1, a1, 4; addi a4, a4, -1; bnez a4, 1b
      2: j 2b
      .align 2
      trap: csrr t0, mepc; addi t0, t0, 4; csrw mepc, t0; li a0, 0; mret`,
      { privilege: SUPERVISOR, csrs: entries(code, ...first), registers: { a1: from, a4: BigInt(count) } },
    );
    guest.setCsr("mtvec", guest.symbol("trap"));
    guest.run(2000);
    return guest.x("a3").toString(2).padStart(count, "0");
  }

  it.each<[string, readonly Entry[], string]>([
    ["NA4 is 4 bytes", [{ config: NA4 | R, address: DATA }], "0000100000000000"],
    ["NAPOT is 8 bytes", [napot(R, DATA, 8n)], "0000110000000000"],
    ["NAPOT is 16 bytes", [napot(R, DATA - 16n, 16n)], "1111000000000000"],
    [
      "TOR is from the address of the entry before",
      [
        { config: 0, address: DATA - 8n },
        { config: TOR | R, address: DATA + 8n },
      ],
      "0011110000000000",
    ],
    [
      "TOR with its end below its start is nothing",
      [
        { config: 0, address: DATA + 8n },
        { config: TOR | R, address: DATA },
      ],
      "0000000000000000",
    ],
    ["entries that are off do not count", [{ config: R, address: DATA }], "0000000000000000"],
    [
      "a hole can be cut into what is open",
      [napot(0, DATA, 8n), napot(R, DATA - 16n, 16n), napot(R, DATA, 64n)],
      "1111001111111111",
    ],
  ])("%s", async (_, list, wanted) => {
    expect(await loadable(list)).toBe(wanted);
  });

  it("TOR in entry 0 begins at 0", async () => {
    expect(await outcome("lw a0, (a1)", SUPERVISOR, entries({ config: TOR | R | W | X, address: DATA + 4n }))).toBe(
      "ecall",
    );
    expect(await outcome("lw a0, 4(a1)", SUPERVISOR, entries({ config: TOR | R | W | X, address: DATA + 4n }))).toBe(
      fault(LOAD_ACCESS, DATA + 4n),
    );
  });

  it("an access that an entry matches only in part fails, whatever others say", async () => {
    // Within a page: an access across pages is one of each.
    const csrs = entries(napot(R | W | X, DATA + 64n, 8n), EVERYTHING);
    expect(await outcome("ld a0, 64(a1)", SUPERVISOR, csrs)).toBe("ecall");
    expect(await outcome("ld a0, 68(a1)", SUPERVISOR, csrs)).toBe(fault(LOAD_ACCESS, DATA + 68n));
    expect(await outcome("ld a0, 60(a1)", SUPERVISOR, csrs)).toBe(fault(LOAD_ACCESS, DATA + 60n));
    expect(await outcome("lw a0, 68(a1)", SUPERVISOR, csrs)).toBe("ecall");
    // For machine mode the same: a partial match fails irrespective of L.
    expect(await outcome("ld a0, 68(a1)", MACHINE, csrs)).toBe(fault(LOAD_ACCESS, DATA + 68n));
  });

  it("a cache block is zeroed whole or, where an entry ends amid it, not at all", async () => {
    const block = new Uint8Array(64).fill(0xaa);
    const zero = async (open: Entry) => {
      const guest = await Guest.create("cbo.zero (a1); ecall\n.align 2\ntrap: wfi; j trap", {
        privilege: SUPERVISOR,
        csrs: { ...entries(open, napot(R | X, RAM, 4096n)), menvcfg: MENVCFG_CBZE },
        registers: { a1: DATA + 5n },
      });
      guest.setCsr("mtvec", guest.symbol("trap"));
      guest.core.ram.write(Number(DATA), block);
      guest.run(10);
      return { guest, contents: guest.core.ram.view(Number(DATA), 64) };
    };
    const whole = await zero(napot(R | W, DATA, 64n));
    expect([...whole.contents]).toEqual([...new Uint8Array(64)]);
    const half = await zero(napot(R | W, DATA, 32n));
    expect(exception(half.guest)).toEqual({ cause: STORE_ACCESS, tval: DATA + 5n, pc: RAM });
    expect([...half.contents]).toEqual([...block]);
  });

  it("code on a page that is open in part runs where it is open and faults where it is not", async () => {
    // 24 bytes are open: six instructions of the program.
    const csrs = entries({ config: TOR | R | X, address: RAM + 24n });
    const guest = await runToTrap(
      "li a0, 1; li a1, 2; addi a0, a0, 1; addi a0, a0, 1; j 1f\n1: addi a0, a0, 1; addi a0, a0, 1",
      {
        privilege: SUPERVISOR,
        csrs,
      },
    );
    expect(exception(guest)).toEqual({ cause: FETCH_ACCESS, tval: RAM + 24n, pc: RAM + 24n });
    expect([guest.x("a0"), guest.x("a1")]).toEqual([4n, 2n]);
  });

  it("an instruction that is open in its first half only faults at the second", async () => {
    const csrs = entries({ config: TOR | R | X, address: RAM + 4n });
    const guest = await runToTrap("c.nop; addi a0, a0, 1", { privilege: SUPERVISOR, csrs });
    expect(exception(guest)).toEqual({ cause: FETCH_ACCESS, tval: RAM + 4n, pc: RAM + 2n });
  });
});

describe("machine mode", () => {
  it.each([
    ["lw a0, (a1)", LOAD_ACCESS, W | R | X, R],
    ["sw a0, (a1)", STORE_ACCESS, W | R | X, W],
    ["jr a1", FETCH_ACCESS, W | R | X, X],
  ])("is bound by a locked entry: %s", async (text, cause, all, needed) => {
    const rights = needed === R ? X : all & ~needed;
    expect(await outcome(text, MACHINE, entries(napot(LOCK | rights, DATA, 4096n)))).toBe(fault(cause));
    expect(await outcome(text === "jr a1" ? "nop" : text, MACHINE, entries(napot(rights, DATA, 4096n)))).toBe("ecall");
  });

  it("with MPRV has the rights of MPP", async () => {
    const mstatus = MSTATUS_MPRV | MSTATUS_MPP_S;
    expect(await outcome("lw a0, (a1)", MACHINE, { ...entries(napot(W | R, DATA, 4096n)), mstatus })).toBe("ecall");
    expect(await outcome("lw a0, (a1)", MACHINE, { ...entries(napot(X, DATA, 4096n)), mstatus })).toBe(
      fault(LOAD_ACCESS),
    );
    // Fetches stay machine mode's.
    expect(await outcome("nop", MACHINE, { ...entries(napot(0, RAM, 4096n)), mstatus })).toBe("ecall");
  });
});

describe("locked entries", () => {
  it("keep their address and configuration; a locked TOR keeps its start as well", async () => {
    const guest = await runProgram(
      `csrw pmpaddr2, a2; csrw pmpaddr3, a3; csrw pmpaddr4, a2
      li a0, 0x89; slli a0, a0, 24; csrw pmpcfg0, a0
      csrw pmpaddr2, zero; csrw pmpaddr3, zero; csrw pmpaddr4, zero; csrw pmpcfg0, zero
      wfi`,
      { registers: { a2: 0x100n, a3: 0x200n } },
    );
    expect(["pmpaddr2", "pmpaddr3", "pmpaddr4"].map((name) => guest.csr(name))).toEqual([0x100n, 0x200n, 0n]);
    expect(hex(guest.csr("pmpcfg0"))).toBe("0x89000000");
  });

  it("leave the others writable", async () => {
    const guest = await runProgram(
      "li a0, 0x8900; csrw pmpcfg0, a0; li a0, 0x1f001f; csrw pmpcfg0, a0; csrr a1, pmpcfg0; wfi",
    );
    expect(hex(guest.x("a1"))).toBe("0x1f891f");
  });
});

describe("a change of PMP takes effect at once", () => {
  it("for data that is in the TLB and for the code being executed", async () => {
    const guest = await runToTrap("lw a0, (a1); li a2, 0x98; csrw pmpcfg0, a2; lw a0, (a1)", {
      csrs: entries(napot(R | W | X, DATA, 4096n)),
      registers: { a1: DATA },
    });
    expect(exception(guest)).toMatchObject({ cause: LOAD_ACCESS, tval: DATA });
    const code = await Guest.create("li a2, 0x98; csrw pmpcfg0, a2; nop", {
      csrs: { ...entries(napot(R | W | X, RAM, 4096n)), mtvec: DATA },
    });
    code.run(100);
    expect([code.csr("mcause"), code.csr("mepc")]).toEqual([2n, DATA]);
  });
});

describe("page tables", () => {
  const TABLES = RAM + 0x8000n;
  async function walk(csrs: Readonly<Record<string, bigint>>, flags: bigint, text = "lw a0, (a1)"): Promise<string> {
    const guest = await Guest.create(`${text}; ecall\n.align 2\nmachine_trap: wfi; j machine_trap`, {
      privilege: SUPERVISOR,
      csrs,
      registers: { a1: 0x4000_0000n },
    });
    const tables = new PageTables(guest, "sv39", TABLES);
    tables.map(RAM, RAM, ALL);
    tables.map(0x4000_0000n, DATA, flags);
    guest.setCsr("satp", tables.satp());
    guest.setCsr("mtvec", guest.symbol("machine_trap"));
    guest.run(100);
    const { cause, tval } = exception(guest);
    return cause === SUPERVISOR_ECALL ? "ecall" : `${cause} ${hex(tval)}`;
  }

  it("must be readable for supervisor mode: else every access is an access fault of its kind", async () => {
    expect(await walk(entries(napot(R, TABLES, 0x8000n), EVERYTHING), ALL)).toBe("ecall");
    expect(await walk(entries(napot(X, TABLES, 0x8000n), EVERYTHING), ALL)).toBe(`1 ${hex(RAM)}`);
  });

  it("must be writable for A and D to be set", async () => {
    const adue = { menvcfg: 1n << 61n };
    const text = "sw a0, (a1)";
    expect(await walk({ ...entries(EVERYTHING), ...adue }, 7n, text)).toBe("ecall");
    expect(await walk({ ...entries(napot(R, TABLES, 0x8000n), EVERYTHING), ...adue }, 7n, text)).toBe(
      `${STORE_ACCESS} 0x40000000`,
    );
  });

  it("lead to addresses that PMP checks, the fault giving the virtual one", async () => {
    expect(await walk(entries(napot(X, DATA, 4096n), EVERYTHING), ALL)).toBe(`${LOAD_ACCESS} 0x40000000`);
  });
});
