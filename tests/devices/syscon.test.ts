import { expect, test } from "vitest";
import type { Width } from "../../host/devices/device.js";
import { type Finish, Syscon } from "../../host/devices/syscon.js";
import { deviceContract } from "../contracts/device-contract.js";

function finishesOf(offset: number, value: number, width: Width): Finish[] {
  const finishes: Finish[] = [];
  new Syscon((finish) => finishes.push(finish)).write(offset, value, width);
  return finishes;
}

test("syscon: 0x5555 powers off, 0x7777 resets, 0x3333 fails with a code", () => {
  expect(finishesOf(0, 0x5555, 4)).toEqual([{ kind: "poweroff" }]);
  expect(finishesOf(0, 0x7777, 4)).toEqual([{ kind: "reboot" }]);
  expect(finishesOf(0, 0x0001_3333, 4)).toEqual([{ kind: "fail", code: 1 }]);
  expect(finishesOf(0, 0xffff_3333, 4)).toEqual([{ kind: "fail", code: 0xffff }]);
  expect(finishesOf(0, 0x5555, 2)).toEqual([{ kind: "poweroff" }]);
});

test("syscon: other values, offsets and byte writes do nothing, and it reads as zero", () => {
  expect(finishesOf(0, 0, 4)).toEqual([]);
  expect(finishesOf(0, 0x1234, 4)).toEqual([]);
  expect(finishesOf(4, 0x5555, 4)).toEqual([]);
  expect(finishesOf(0, 0x55, 1)).toEqual([]);
  expect(new Syscon(() => {}).read(0, 4)).toBe(0);
});

deviceContract("syscon", () => ({ device: new Syscon(() => {}), lines: () => [], offsets: [0, 2, 4] }));
