import { beforeEach, describe, expect, test } from "vitest";
import { SbiFirmware } from "../../host/firmware/sbi.js";
import { decode, encode } from "../../host/util/schema.js";
import { createMachine, kernel, text } from "../machine/test-machine.js";
import { FakePlatform } from "./fake-platform.js";

// Numbers and offsets as in the SBI 2.0 document, chapters 4 and 16.
const BASE = 0x10n;
const PROBE_EXTENSION = 3n;
const STA = 0x535441n;
const SET_SHMEM = 0n;
const SUCCESS = 0n;
const NOT_SUPPORTED = -2n;
const INVALID_PARAM = -3n;
const INVALID_ADDRESS = -5n;
const ALL_ONES = (1n << 64n) - 1n;

const RAM = 0x8000_0000;
const SHMEM = 0x8000_1040;
const OTHER = 0x8000_1080;

let platform: FakePlatform;
let firmware: SbiFirmware;

beforeEach(() => {
  platform = new FakePlatform(3);
  firmware = new SbiFirmware(platform);
});

function sbi(extension: bigint, functionId: bigint, args: readonly bigint[], hart = 0) {
  const caller = platform.harts[hart]!;
  for (const [index, value] of args.entries()) caller.setX(10 + index, value);
  caller.setX(16, functionId);
  caller.setX(17, extension);
  firmware.call(caller);
  return { error: BigInt.asIntN(64, caller.x(10)), value: caller.x(11) };
}

function share(paddr: number, hart = 0) {
  return sbi(STA, SET_SHMEM, [BigInt(paddr), 0n, 0n], hart);
}

/** The structure as its reader sees it. */
function shared(paddr = SHMEM) {
  const { ram } = platform;
  return {
    sequence: ram.readU32(paddr),
    flags: ram.readU32(paddr + 4),
    steal: ram.readU64(paddr + 8),
    preempted: ram.view(paddr + 16, 1)[0],
  };
}

describe("sbi sta", () => {
  test("is there, with one function", () => {
    expect(sbi(BASE, PROBE_EXTENSION, [STA])).toEqual({ error: SUCCESS, value: 1n });
    expect(sbi(STA, 1n, [BigInt(SHMEM), 0n, 0n]).error).toBe(NOT_SUPPORTED);
  });

  test("clears the structure, all 64 bytes of it and no more", () => {
    platform.ram.bytes.fill(0xaa);
    expect(share(SHMEM)).toEqual({ error: SUCCESS, value: 0n });
    expect(platform.ram.view(SHMEM, 64)).toEqual(new Uint8Array(64));
    expect(platform.ram.view(SHMEM - 1, 1)[0]).toBe(0xaa);
    expect(platform.ram.view(SHMEM + 64, 1)[0]).toBe(0xaa);
  });

  test("tells in nanoseconds what was stolen since, with an even sequence that grows", () => {
    firmware.sta.addSteal(1000);
    share(SHMEM);
    firmware.sta.addSteal(2.5);
    expect(shared()).toEqual({ sequence: 2, flags: 0, steal: 2_500_000n, preempted: 0 });
    firmware.sta.addSteal(0.000_001);
    expect(shared()).toEqual({ sequence: 4, flags: 0, steal: 2_500_001n, preempted: 0 });
    firmware.sta.addSteal(0);
    expect(shared().sequence).toBe(4);
  });

  test("the sequence is odd while the time is being written", () => {
    share(SHMEM);
    const seen: string[] = [];
    const { ram } = platform;
    const [writeU32, write] = [ram.writeU32.bind(ram), ram.write.bind(ram)];
    ram.writeU32 = (paddr, value) => {
      seen.push(`${paddr - SHMEM} = ${value}`);
      writeU32(paddr, value);
    };
    ram.write = (paddr, from) => {
      seen.push(`${paddr - SHMEM} = ${from.length} bytes`);
      write(paddr, from);
    };
    firmware.sta.addSteal(1);
    expect(seen).toEqual(["0 = 1", "8 = 8 bytes", "0 = 2"]);
  });

  test("a hart that waits or is stopped loses nothing, one that is ready does", () => {
    platform.harts[1]!.runState = "waiting";
    for (const [hart, paddr] of [SHMEM, OTHER].entries()) share(paddr, hart);
    firmware.sta.addSteal(1);
    expect([shared(SHMEM).steal, shared(OTHER).steal]).toEqual([1_000_000n, 0n]);
  });

  test("a lone hart that waits was woken for something", () => {
    share(SHMEM);
    platform.harts[0]!.runState = "waiting";
    firmware.sta.addSteal(1);
    expect(shared().steal).toBe(1_000_000n);
  });

  test("all-ones ends it: nothing is written any more", () => {
    share(SHMEM);
    expect(sbi(STA, SET_SHMEM, [ALL_ONES, ALL_ONES, 0n])).toEqual({ error: SUCCESS, value: 0n });
    firmware.sta.addSteal(1);
    expect(shared().steal).toBe(0n);
  });

  test.each([
    ["flags that are not zero", [BigInt(SHMEM), 0n, 1n], INVALID_PARAM],
    ["flags with the end's address", [ALL_ONES, ALL_ONES, 1n], INVALID_PARAM],
    ["an address between two multiples of 64", [BigInt(SHMEM + 8), 0n, 0n], INVALID_PARAM],
    ["an address below memory", [BigInt(RAM - 64), 0n, 0n], INVALID_ADDRESS],
    ["the address after memory", [BigInt(RAM + 0x10_0000), 0n, 0n], INVALID_ADDRESS],
    ["an address above what a number holds", [1n << 63n, 0n, 0n], INVALID_ADDRESS],
    ["the highest aligned address", [ALL_ONES - 63n, 0n, 0n], INVALID_ADDRESS],
    ["an upper half", [BigInt(SHMEM), 1n, 0n], INVALID_ADDRESS],
  ])("%s is refused, and what was before goes on", (_, args, error) => {
    share(SHMEM);
    const before = platform.ram.bytes.slice();
    expect(sbi(STA, SET_SHMEM, args)).toEqual({ error, value: 0n });
    expect(Buffer.compare(platform.ram.bytes, before)).toBe(0);
    firmware.sta.addSteal(1);
    expect(shared().steal).toBe(1_000_000n);
  });

  test("a guest that writes into the structure spoils only what it reads itself", () => {
    share(SHMEM);
    platform.ram.bytes.fill(0xff);
    firmware.sta.addSteal(1);
    expect(shared()).toMatchObject({ sequence: 2, steal: 1_000_000n });
  });

  test("the sequence goes round after 2^32", () => {
    share(SHMEM);
    firmware.sta.load({
      ...firmware.sta.save(),
      shared: [{ paddr: BigInt(SHMEM), sequence: 0xffff_fffe }, null, null],
    });
    firmware.sta.addSteal(1);
    expect(shared().sequence).toBe(0);
  });

  test("is saved, and goes on elsewhere", () => {
    share(SHMEM);
    firmware.sta.addSteal(1);
    const saved = encode(firmware.sta.schema, firmware.sta.save());
    const elsewhere = new SbiFirmware(platform);
    elsewhere.sta.load(decode(elsewhere.sta.schema, saved));
    elsewhere.sta.addSteal(2);
    expect(shared()).toMatchObject({ sequence: 4, steal: 3_000_000n });
    elsewhere.sta.reset();
    elsewhere.sta.addSteal(1);
    expect(shared()).toMatchObject({ sequence: 4, steal: 3_000_000n });
  });

  test.each([RAM - 64, RAM + 0x10_0000, SHMEM + 4, 2 ** 60])(
    "a file that says it is at 0x%s writes nowhere",
    (paddr) => {
      firmware.sta.load({ shared: [{ paddr: BigInt(paddr), sequence: 0 }, null, null], stealNs: [0n, 0n, 0n] });
      const before = platform.ram.bytes.slice();
      firmware.sta.addSteal(1);
      expect(Buffer.compare(platform.ram.bytes, before)).toBe(0);
    },
  );
});

/** Shares a structure, works, and prints "." once a million nanoseconds and more were stolen; then waits to be told. */
const OBSERVER = `
  la s0, structure
  mv a0, s0
  li a1, 0
  li a2, 0
  li a6, 0
  li a7, EID_STA
  ecall
  bnez a0, failed
  li s1, 1000000
  watch:
  lwu t0, 0(s0)
  andi t1, t0, 1
  bnez t1, watch
  ld t2, 8(s0)
  lwu t1, 0(s0)
  bne t0, t1, watch
  bltu t2, s1, watch
  la a1, yes
  j print
  failed:
  la a1, no
  print:
  li a0, 1
  li a2, 0
  li a6, 0
  li a7, EID_DBCN
  ecall
  li a0, 0
  li a1, 0
  li a7, EID_SRST
  ecall
  yes: ${text(".")}
  no: ${text("x")}
  .align 6
  structure: .zero 64
`;

describe("a guest that shares its structure", () => {
  const turns = (waitedMs: number) => ({
    take: () => Promise.resolve({ budget: 100_000, deadlineMs: Number.POSITIVE_INFINITY, waitedMs }),
    give: () => {},
    leave: () => {},
  });

  test("reads there how long it was held back", async () => {
    const { machine, output } = await createMachine({ boot: kernel(OBSERVER), clock: "host", turns: turns(0.25) });
    expect(await machine.run()).toEqual({ kind: "poweroff" });
    expect(output()).toBe(".");
  });

  test("under virtual time is never held back, whatever happens outside", async () => {
    const { machine, output } = await createMachine({ boot: kernel(OBSERVER), turns: turns(0.25) });
    setTimeout(() => machine.stop(), 200);
    expect(await machine.run()).toEqual({ kind: "stopped" });
    expect(output()).toBe("");
  });
});
