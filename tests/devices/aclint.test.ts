import { beforeEach, describe, expect, test } from "vitest";
import { Aclint, type HartTimers } from "../../host/devices/aclint.js";
import { deviceContract } from "../contracts/device-contract.js";

class FakeTimers implements HartTimers {
  readonly hartCount = 4;
  readonly pending = [false, false, false, false];
  readonly compare = [0n, 0n, 0n, 0n];
  time = 0n;

  msip(hart: number): boolean {
    return this.pending[hart]!;
  }
  setMsip(hart: number, level: boolean): void {
    this.pending[hart] = level;
  }
  mtimecmp(hart: number): bigint {
    return this.compare[hart]!;
  }
  setMtimecmp(hart: number, mtimecmp: bigint): void {
    this.compare[hart] = mtimecmp;
  }
  mtime(): bigint {
    return this.time;
  }
  setMtime(mtime: bigint): void {
    this.time = mtime;
  }
}

let timers: FakeTimers;
let aclint: Aclint;

beforeEach(() => {
  timers = new FakeTimers();
  aclint = new Aclint(timers);
});

describe("aclint: msip", () => {
  test("bit 0 raises and withdraws the hart's software interrupt; the others read as zero", () => {
    aclint.write(0x8, 0xffff_ffff, 4);
    expect(timers.pending).toEqual([false, false, true, false]);
    expect(aclint.read(0x8, 4)).toBe(1);
    aclint.write(0x8, 0xffff_fffe, 4);
    expect(timers.pending).toEqual([false, false, false, false]);
  });

  test("a byte reaches bit 0 only at the lowest address", () => {
    aclint.write(0x5, 1, 1);
    expect(timers.pending[1]).toBe(false);
    aclint.write(0x4, 1, 1);
    expect(timers.pending[1]).toBe(true);
    expect([aclint.read(0x4, 1), aclint.read(0x5, 1), aclint.read(0x6, 2)]).toEqual([1, 0, 0]);
  });

  test("harts that do not exist have no registers", () => {
    aclint.write(0x10, 1, 4);
    aclint.write(0x4020, 1, 4);
    expect([aclint.read(0x10, 4), aclint.read(0x4020, 4)]).toEqual([0, 0]);
    expect(timers).toEqual(new FakeTimers());
  });
});

describe("aclint: timers", () => {
  test("mtimecmp is written in halves", () => {
    timers.compare[3] = 0x1111_2222_3333_4444n;
    aclint.write(0x4018, 0xffff_ffff, 4);
    expect(timers.compare[3]).toBe(0x1111_2222_ffff_ffffn);
    aclint.write(0x401c, 0x8000_0001, 4);
    expect(timers.compare[3]).toBe(0x8000_0001_ffff_ffffn);
    expect([aclint.read(0x4018, 4), aclint.read(0x401c, 4)]).toEqual([0xffff_ffff, 0x8000_0001]);
  });

  test("mtime is read and written in halves", () => {
    timers.time = 0xfedc_ba98_7654_3210n;
    expect([aclint.read(0xbff8, 4), aclint.read(0xbffc, 4)]).toEqual([0x7654_3210, 0xfedc_ba98]);
    aclint.write(0xbff8, 1, 4);
    expect(timers.time).toBe(0xfedc_ba98_0000_0001n);
    aclint.write(0xbffc, 0, 4);
    expect(timers.time).toBe(1n);
  });

  test("smaller aligned accesses reach their part of the register, others nothing", () => {
    timers.time = 0xfedc_ba98_7654_3210n;
    expect([aclint.read(0xbffe, 2), aclint.read(0xbff9, 1)]).toEqual([0xfedc, 0x32]);
    aclint.write(0xbffb, 0xff, 1);
    expect(timers.time).toBe(0xfedc_ba98_ff54_3210n);
    expect(aclint.read(0xbffa, 4)).toBe(0);
    aclint.write(0xbffa, 0xffff_ffff, 4);
    expect(timers.time).toBe(0xfedc_ba98_ff54_3210n);
  });

  test("what follows mtime does not exist", () => {
    expect(aclint.read(0xc000, 4)).toBe(0);
    expect(aclint.read(0xfffc, 4)).toBe(0);
  });
});

// The processor keeps the registers, so a restored device needs the same processor to answer alike.
const shared = new FakeTimers();
deviceContract("aclint", () => ({
  device: new Aclint(shared),
  lines: () => [],
  offsets: [0, 4, 0xc, 0x10, 0x4000, 0x4004, 0x401c, 0x4020, 0xbff8, 0xbffc],
}));
