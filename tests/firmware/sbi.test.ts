import { beforeEach, describe, expect, test } from "vitest";
import { SbiFirmware } from "../../host/firmware/sbi.js";
import { startSupervisor } from "../../host/firmware/supervisor.js";
import { decode, encode } from "../../host/util/schema.js";
import { type FakeHart, FakePlatform } from "./fake-platform.js";

// Numbers as in the SBI 2.0 document.
const BASE = 0x10n;
const TIME = 0x54494d45n;
const IPI = 0x735049n;
const RFENCE = 0x52464e43n;
const HSM = 0x48534dn;
const SRST = 0x53525354n;
const DBCN = 0x4442434en;

const SUCCESS = 0n;
const NOT_SUPPORTED = -2n;
const INVALID_PARAM = -3n;
const INVALID_ADDRESS = -5n;
const ALREADY_AVAILABLE = -6n;

const ALL = (1n << 64n) - 1n;
const SIP_SSIP_SET = "interrupt 1 true";
const STIMECMP = 0x14d;
const SATP = 0x180;
const SSTATUS = 0x100;

let platform: FakePlatform;
let firmware: SbiFirmware;

beforeEach(() => {
  platform = new FakePlatform(4);
  firmware = new SbiFirmware(platform);
});

/** Makes an environment call from hart 0, or another. @returns a0 as a signed number, and a1 */
function sbi(extension: bigint, functionId: bigint, args: readonly bigint[] = [], hart = platform.harts[0]!) {
  for (const [index, value] of args.entries()) hart.setX(10 + index, value);
  hart.setX(16, functionId);
  hart.setX(17, extension);
  firmware.call(hart);
  return { error: BigInt.asIntN(64, hart.x(10)), value: hart.x(11) };
}

function start(...ids: readonly number[]): void {
  for (const id of ids) platform.harts[id]!.runState = "started";
}

describe("sbi", () => {
  test("a call returns to the instruction after the ECALL", () => {
    platform.harts[0]!.pc = 0x8020_0000n;
    sbi(BASE, 0n);
    expect(platform.harts[0]!.pc).toBe(0x8020_0004n);
  });

  test.each([
    ["an unknown extension", 0x1234n, 0n],
    ["an extension number with bits above 32", BASE | (1n << 32n), 0n],
    ["an unknown function of BASE", BASE, 7n],
    ["an unknown function of TIME", TIME, 1n],
    ["an unknown function of IPI", IPI, 1n],
    ["a hypervisor's remote fence", RFENCE, 3n],
    ["an unknown function of HSM", HSM, 4n],
    ["an unknown function of SRST", SRST, 1n],
    ["an unknown function of DBCN", DBCN, 3n],
    ["the legacy number after the last", 9n, 0n],
  ])("%s is not supported", (_, extension, functionId) => {
    expect(sbi(extension, functionId).error).toBe(NOT_SUPPORTED);
  });
});

describe("sbi base", () => {
  test("the specification's version is 2.0", () => {
    expect(sbi(BASE, 0n)).toEqual({ error: SUCCESS, value: 0x0200_0000n });
  });

  test("probing tells what is there", () => {
    for (const present of [BASE, TIME, IPI, RFENCE, HSM, SRST, DBCN, 0n, 8n]) {
      expect(sbi(BASE, 3n, [present])).toEqual({ error: SUCCESS, value: 1n });
    }
    expect(sbi(BASE, 3n, [0x504d55n])).toEqual({ error: SUCCESS, value: 0n });
  });

  test("vendor, architecture and implementation are the calling hart's", () => {
    platform.harts[0]!.setCsr(0xf11, 5n);
    platform.harts[0]!.setCsr(0xf12, 6n);
    platform.harts[0]!.setCsr(0xf13, 7n);
    expect([4n, 5n, 6n].map((functionId) => sbi(BASE, functionId).value)).toEqual([5n, 6n, 7n]);
  });
});

describe("sbi time", () => {
  test("set_timer sets the calling hart's stimecmp", () => {
    expect(sbi(TIME, 0n, [123n], platform.harts[2]).error).toBe(SUCCESS);
    expect(platform.harts.map((hart) => hart.csr(STIMECMP))).toEqual([0n, 0n, 123n, 0n]);
  });
});

describe("sbi ipi", () => {
  const interrupted = (): number[] =>
    platform.harts.filter((hart) => hart.done.includes(SIP_SSIP_SET)).map((hart) => hart.id);

  test.each([
    ["a mask from base 0", 0b0101n, 0n, [0, 2]],
    ["a mask from base 2", 0b11n, 2n, [2, 3]],
    ["base -1 is every hart, whatever the mask", 0n, ALL, [0, 1, 2, 3]],
    ["an empty mask", 0n, 3n, []],
  ])("send_ipi: %s", (_, mask, base, expected) => {
    start(1, 2, 3);
    expect(sbi(IPI, 0n, [mask, base]).error).toBe(SUCCESS);
    expect(interrupted()).toEqual(expected);
  });

  test.each([
    ["a base that is no hart", 1n, 4n],
    ["a base that is no hart, with an empty mask", 0n, 4n],
    ["a mask with a hart too many", 0b11n, 3n],
    ["a mask with a hart far too many", 1n << 63n, 0n],
    ["a base of -2", 1n, ALL - 1n],
  ])("send_ipi refuses %s and interrupts nobody", (_, mask, base) => {
    start(1, 2, 3);
    expect(sbi(IPI, 0n, [mask, base]).error).toBe(INVALID_PARAM);
    expect(interrupted()).toEqual([]);
  });

  test("a stopped hart is left alone", () => {
    start(1);
    expect(sbi(IPI, 0n, [0b1111n, 0n]).error).toBe(SUCCESS);
    expect(interrupted()).toEqual([0, 1]);
  });
});

describe("sbi rfence", () => {
  const did = (what: string): number[] => platform.harts.filter((hart) => hart.done.includes(what)).map(({ id }) => id);

  test("remote_fence_i needs valid harts and leaves translations alone", () => {
    expect(sbi(RFENCE, 0n, [0b110n, 0n]).error).toBe(SUCCESS);
    expect(sbi(RFENCE, 0n, [0b110n, 2n]).error).toBe(INVALID_PARAM);
    expect(did("flushTlb")).toEqual([]);
  });

  test.each([
    ["remote_sfence_vma", 1n],
    ["remote_sfence_vma_asid", 2n],
  ])("%s flushes translations of the harts of the mask", (_, functionId) => {
    expect(sbi(RFENCE, functionId, [0b1n, 3n, 0x1000n, 0x1000n, 1n]).error).toBe(SUCCESS);
    expect(did("flushTlb")).toEqual([3]);
    expect(sbi(RFENCE, functionId, [0b10n, 3n, 0n, 0n, 0n]).error).toBe(INVALID_PARAM);
  });
});

describe("sbi hsm", () => {
  const ENTRY = 0x8001_0000n;

  test("hart_start starts a stopped hart in S-mode with hartid and opaque, translation and interrupts off", () => {
    const hart = platform.harts[2]!;
    hart.setCsr(SATP, 8n << 60n);
    hart.setCsr(SSTATUS, 2n);
    expect(sbi(HSM, 0n, [2n, ENTRY, 99n]).error).toBe(SUCCESS);
    expect(hart).toMatchObject({ pc: ENTRY, privilege: 1, runState: "started" });
    expect([hart.x(10), hart.x(11), hart.csr(SATP), hart.csr(SSTATUS)]).toEqual([2n, 99n, 0n, 0n]);
  });

  test.each([
    ["a hart that does not exist", 4n, ENTRY, INVALID_PARAM],
    ["hart -1", ALL, ENTRY, INVALID_PARAM],
    ["a hart that runs", 1n, ENTRY, ALREADY_AVAILABLE],
    ["an address that is no memory", 2n, 0x1000n, INVALID_ADDRESS],
    ["an address past the last", 2n, ALL, INVALID_ADDRESS],
    ["an odd address", 2n, ENTRY + 1n, INVALID_ADDRESS],
  ])("hart_start refuses %s", (_, id, address, error) => {
    start(1);
    expect(sbi(HSM, 0n, [id, address, 0n]).error).toBe(error);
    expect(platform.harts.map((hart) => hart.runState)).toEqual(["started", "started", "stopped", "stopped"]);
  });

  test("hart_stop stops the calling hart, which can be started again", () => {
    start(1);
    sbi(HSM, 1n, [], platform.harts[1]);
    expect(platform.harts[1]!.runState).toBe("stopped");
    expect(sbi(HSM, 2n, [1n])).toEqual({ error: SUCCESS, value: 1n });
    expect(sbi(HSM, 0n, [1n, ENTRY, 0n]).error).toBe(SUCCESS);
    expect(sbi(HSM, 2n, [1n])).toEqual({ error: SUCCESS, value: 0n });
  });

  test("hart_get_status refuses a hart that does not exist", () => {
    expect(sbi(HSM, 2n, [4n]).error).toBe(INVALID_PARAM);
  });

  test("a retentive suspend waits for an interrupt and returns with success", () => {
    start(1);
    const hart = platform.harts[1]!;
    hart.pc = ENTRY;
    hart.setCsr(SATP, 8n << 60n);
    expect(sbi(HSM, 3n, [0n, 0n, 0n], hart).error).toBe(SUCCESS);
    expect(hart.runState).toBe("waiting");
    expect(sbi(HSM, 2n, [1n]).value).toBe(4n);
    hart.runState = "started";
    expect(sbi(HSM, 2n, [1n]).value).toBe(0n);
    expect([hart.pc, hart.csr(SATP)]).toEqual([ENTRY + 4n, 8n << 60n]);
    // An ordinary WFI afterwards is no suspend.
    hart.runState = "waiting";
    expect(sbi(HSM, 2n, [1n]).value).toBe(0n);
  });

  test("a non-retentive suspend resumes at its address as a hart starts", () => {
    start(1);
    const hart = platform.harts[1]!;
    hart.setCsr(SATP, 8n << 60n);
    hart.setCsr(SSTATUS, 2n);
    sbi(HSM, 3n, [0x8000_0000n, ENTRY, 77n], hart);
    expect(hart).toMatchObject({ pc: ENTRY, runState: "waiting" });
    expect([hart.x(10), hart.x(11), hart.csr(SATP), hart.csr(SSTATUS)]).toEqual([1n, 77n, 0n, 0n]);
    expect(sbi(HSM, 2n, [1n]).value).toBe(4n);
  });

  test.each([
    ["a reserved type", 1n, ENTRY, INVALID_PARAM],
    ["a reserved non-retentive type", 0x8000_0001n, ENTRY, INVALID_PARAM],
    ["a platform's type", 0x1000_0000n, ENTRY, NOT_SUPPORTED],
    ["a platform's non-retentive type", 0x9000_0000n, ENTRY, NOT_SUPPORTED],
    ["an address that is no memory", 0x8000_0000n, 0n, INVALID_ADDRESS],
  ])("hart_suspend refuses %s and the hart runs on", (_, type, address, error) => {
    expect(sbi(HSM, 3n, [type, address, 0n]).error).toBe(error);
    expect(platform.harts[0]!.runState).toBe("started");
  });

  test("which harts are suspended is saved and loaded", () => {
    start(1);
    sbi(HSM, 3n, [0n, 0n, 0n], platform.harts[1]);
    const { hsm } = firmware;
    const saved = encode(hsm.schema, hsm.save());
    hsm.reset();
    expect(sbi(HSM, 2n, [1n]).value).toBe(0n);
    hsm.load(decode(hsm.schema, saved));
    expect(sbi(HSM, 2n, [1n]).value).toBe(4n);
  });
});

describe("sbi srst", () => {
  test.each([
    ["shutdown", 0n, 0n, "poweroff"],
    ["shutdown after a failure", 0n, 1n, "failure"],
    ["cold reboot", 1n, 0n, "reboot"],
    ["warm reboot after a failure", 2n, 1n, "reboot"],
  ])("%s does not return", (_, type, reason, expected) => {
    platform.harts[0]!.pc = 8n;
    sbi(SRST, 0n, [type, reason]);
    expect(platform.resets).toEqual([expected]);
    expect(platform.harts[0]!.pc).toBe(8n);
  });

  test.each([
    ["a reserved type", 3n, 0n, INVALID_PARAM],
    ["a vendor's type", 0xf000_0000n, 0n, NOT_SUPPORTED],
    ["a reserved reason", 0n, 2n, INVALID_PARAM],
    ["an implementation's reason", 0n, 0xe000_0000n, NOT_SUPPORTED],
  ])("%s is refused", (_, type, reason, error) => {
    expect(sbi(SRST, 0n, [type, reason]).error).toBe(error);
    expect(platform.resets).toEqual([]);
  });
});

describe("sbi dbcn", () => {
  const BUFFER = 0x8000_1000;

  test("console_write writes memory to the console and tells how much", () => {
    platform.ram.write(BUFFER, Buffer.from("hello"));
    expect(sbi(DBCN, 0n, [5n, BigInt(BUFFER), 0n])).toEqual({ error: SUCCESS, value: 5n });
    expect(platform.output).toBe("hello");
  });

  test("console_read fills memory with what was typed, without waiting for more", () => {
    platform.input = "abc";
    expect(sbi(DBCN, 1n, [2n, BigInt(BUFFER), 0n])).toEqual({ error: SUCCESS, value: 2n });
    expect(sbi(DBCN, 1n, [8n, BigInt(BUFFER + 2), 0n])).toEqual({ error: SUCCESS, value: 1n });
    expect(sbi(DBCN, 1n, [8n, BigInt(BUFFER), 0n])).toEqual({ error: SUCCESS, value: 0n });
    expect(Buffer.from(platform.ram.view(BUFFER, 4)).toString()).toBe("abc\0");
  });

  test("console_write_byte writes the low byte", () => {
    expect(sbi(DBCN, 2n, [0x141n])).toEqual({ error: SUCCESS, value: 0n });
    expect(platform.output).toBe("A");
  });

  test("a write of all of memory is done in part", () => {
    const { error, value } = sbi(DBCN, 0n, [BigInt(platform.ram.byteLength), 0x8000_0000n, 0n]);
    expect(error).toBe(SUCCESS);
    expect(value).toBeGreaterThan(0n);
    expect(value).toBeLessThan(100_000n);
    expect(BigInt(platform.output.length)).toBe(value);
  });

  test.each([
    ["no memory", 1n, 0x1000n, 0n],
    ["memory at its start only", 0x10_0001n, 0x8000_0000n, 0n],
    ["an address above 64 bits", 1n, 0x8000_0000n, 1n],
    ["a length that wraps around", ALL, 0x8000_0000n, 0n],
    ["an address of 2^64 - 1", 1n, ALL, 0n],
  ])("a buffer that is %s is refused", (_, byteLength, low, high) => {
    expect(sbi(DBCN, 0n, [byteLength, low, high]).error).toBe(INVALID_PARAM);
    expect(sbi(DBCN, 1n, [byteLength, low, high]).error).toBe(INVALID_PARAM);
    expect(platform.output).toBe("");
  });
});

describe("sbi legacy", () => {
  const A1_BEFORE = 0xabcn;
  const legacy = (id: bigint, arg = 0n): bigint => sbi(id, 0n, [arg, A1_BEFORE]).error;
  const did = (what: string): number[] => platform.harts.filter((hart) => hart.done.includes(what)).map(({ id }) => id);

  test("calls change a0 only", () => {
    expect(sbi(1n, 0n, [0x41n, A1_BEFORE])).toEqual({ error: 0n, value: A1_BEFORE });
    expect(platform.output).toBe("A");
  });

  test("getchar gives a character or -1", () => {
    platform.input = "\xff";
    expect([legacy(2n), legacy(2n)]).toEqual([255n, -1n]);
  });

  test("set_timer, clear_ipi and shutdown", () => {
    expect(legacy(0n, 55n)).toBe(0n);
    expect(platform.harts[0]!.csr(STIMECMP)).toBe(55n);
    expect(legacy(3n)).toBe(0n);
    expect(platform.harts[0]!.done).toEqual(["interrupt 1 false"]);
    legacy(8n);
    expect(platform.resets).toEqual(["poweroff"]);
  });

  test("a null hart mask is all harts", () => {
    start(1, 2, 3);
    expect(legacy(4n, 0n)).toBe(0n);
    expect(did(SIP_SSIP_SET)).toEqual([0, 1, 2, 3]);
  });

  test("a hart mask is read from memory", () => {
    platform.ram.writeU64(0x8000_0008, 0b1010n);
    expect([legacy(5n, 0x8000_0008n), legacy(6n, 0x8000_0008n)]).toEqual([0n, 0n]);
    expect(did("flushTlb")).toEqual([1, 3]);
    platform.ram.writeU64(0x8000_0008, 0b0001n);
    expect(legacy(7n, 0x8000_0008n)).toBe(0n);
    expect(did("flushTlb")).toEqual([0, 1, 3]);
  });

  test.each([0x1000n, 0x8000_0004n, 0x800f_fffcn, ALL - 7n])("a hart mask at 0x%s is refused", (address) => {
    expect(legacy(4n, address)).toBe(INVALID_ADDRESS);
    expect(did(SIP_SSIP_SET)).toEqual([]);
  });

  /** Maps the 4 KiB page at `vaddr` to 0x80005000 with `levels` of tables, the root at 0x80001000. */
  function map(vaddr: bigint, levels: number, flags: bigint): void {
    for (let level = levels - 1; level >= 0; level--) {
      const table = 0x8000_1000 + (levels - 1 - level) * 0x1000;
      const index = Number((vaddr >> BigInt(12 + 9 * level)) & 0x1ffn);
      const target = level === 0 ? 0x8000_8000n : BigInt(table + 0x1000);
      platform.ram.writeU64(table + index * 8, ((target >> 12n) << 10n) | (level === 0 ? flags : 1n));
    }
    platform.harts[0]!.setCsr(SATP, (BigInt(levels + 5) << 60n) | 0x80001n);
  }

  const HIGH = 0xffff_ffff_c000_0010n;

  test.each([
    ["Sv39", 3],
    ["Sv48", 4],
    ["Sv57", 5],
  ])("under %s a hart mask is at a virtual address", (_, levels) => {
    map(HIGH, levels, 0b11n);
    platform.ram.writeU64(0x8000_8010, 0b100n);
    expect(legacy(6n, HIGH)).toBe(0n);
    expect(did("flushTlb")).toEqual([2]);
    expect(legacy(6n, HIGH + 0x1000n)).toBe(INVALID_ADDRESS);
    expect(legacy(6n, 0x7fff_ffff_c000_0010n)).toBe(INVALID_ADDRESS);
  });

  test("a page that cannot be read is refused", () => {
    map(HIGH, 3, 0b1001n);
    expect(legacy(6n, HIGH)).toBe(INVALID_ADDRESS);
  });

  test("a table that is no memory is refused", () => {
    platform.harts[0]!.setCsr(SATP, (8n << 60n) | ((1n << 44n) - 1n));
    expect(legacy(6n, HIGH)).toBe(INVALID_ADDRESS);
  });

  test("a superpage and a 64 KiB NAPOT page keep the address's low bits", () => {
    const hart = platform.harts[0]!;
    hart.setCsr(SATP, (8n << 60n) | 0x80001n);
    // A gigapage at 0x80000000, entry 2 of the root.
    platform.ram.writeU64(0x8000_1010, (0x80000n << 10n) | 0b11n);
    platform.ram.writeU64(0x8000_9018, 0b1n);
    expect(legacy(6n, 0x8000_9018n)).toBe(0n);
    expect(did("flushTlb")).toEqual([0]);
    // 0x80010000..0x8001ffff for 0..0xffff: PPN bits 3:0 are 1000.
    map(0x3000n, 3, 0n);
    platform.ram.writeU64(0x8000_3018, (1n << 63n) | (0x80018n << 10n) | 0b11n);
    platform.ram.writeU64(0x8001_3020, 0b1000n);
    expect(legacy(6n, 0x3020n)).toBe(0n);
    expect(did("flushTlb")).toEqual([0, 3]);
  });
});

describe("supervisor's start", () => {
  const csrs = (hart: FakeHart, ...numbers: readonly number[]): bigint[] => numbers.map((number) => hart.csr(number));

  test("everything is delegated but the firmware's own calls", () => {
    const hart = platform.harts[0]!;
    startSupervisor(hart, 0x8020_0000n, 0x8700_0000n);
    const delegated = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 15].reduce((mask, cause) => mask | (1n << BigInt(cause)), 0n);
    expect(csrs(hart, 0x302, 0x303)).toEqual([delegated, 0x222n]);
    expect([hart.pc, hart.privilege, hart.x(10), hart.x(11)]).toEqual([0x8020_0000n, 1, 0n, 0x8700_0000n]);
  });

  test("counters are readable, all memory is open, no timer is armed, Sstc, Svadu and cache blocks are enabled", () => {
    const hart = platform.harts[0]!;
    startSupervisor(hart, 0x8020_0000n, 0n);
    expect(csrs(hart, 0x306, 0x106)).toEqual([7n, 7n]);
    expect(csrs(hart, 0x3a0, 0x3b0)).toEqual([0x1fn, (1n << 54n) - 1n]);
    expect(hart.csr(STIMECMP)).toBe(ALL);
    expect(hart.csr(0x30a)).toBe((1n << 63n) | (1n << 61n) | 0xf0n);
  });
});
