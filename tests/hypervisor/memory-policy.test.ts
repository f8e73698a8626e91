import { expect, test } from "vitest";
import { type MemoryClaim, planMemory } from "../../host/hypervisor/memory-policy.js";

const MIB = 2 ** 20;
const NOW = 1_000_000;

function claim(name: string, rest: Partial<MemoryClaim> = {}): MemoryClaim {
  return {
    name,
    state: "present",
    isHeld: false,
    takenByteLength: 100 * MIB,
    arrivalByteLength: 76 * MIB,
    memoryByteLength: 256 * MIB,
    spareByteLength: 168 * MIB,
    balloonTargetByteLength: 0,
    isBalloonOurs: false,
    lastActiveMs: NOW - 60_000,
    ...rest,
  };
}

function plan(claims: readonly MemoryClaim[], usedMiB: number) {
  const budgetByteLength = 1000 * MIB;
  return planMemory(claims, { missingByteLength: (usedMiB - 1000) * MIB, budgetByteLength, nowMs: NOW });
}

test("with room nothing is taken from anybody", () => {
  expect(plan([claim("a"), claim("b")], 500)).toEqual({ isPressed: false, balloons: [], hibernate: [], wake: [] });
  expect(plan([claim("a"), claim("b")], 800)).toEqual({ isPressed: false, balloons: [], hibernate: [], wake: [] });
});

test("under pressure balloons leave guests what they have in use and a little more, never less than 64 MiB", () => {
  const large = claim("large", { memoryByteLength: 1024 * MIB, spareByteLength: 524 * MIB });
  const small = claim("small", { spareByteLength: 236 * MIB });
  const silent = claim("silent", { spareByteLength: null });
  expect(plan([claim("a"), large, small, silent], 900).balloons).toEqual([
    { name: "a", byteLength: 136 * MIB },
    { name: "large", byteLength: 474 * MIB },
    { name: "small", byteLength: 192 * MIB },
  ]);
});

test("a guest that needs more while there is pressure has some of its balloon back, in steps that are worth it", () => {
  const ours = { balloonTargetByteLength: 136 * MIB, isBalloonOurs: true };
  expect(plan([claim("same", { ...ours, spareByteLength: 164 * MIB })], 900).balloons).toEqual([]);
  const needs = claim("needs", { ...ours, spareByteLength: 140 * MIB });
  const needsAll = claim("needs-all", { ...ours, spareByteLength: 10 * MIB });
  expect(plan([needs, needsAll], 900).balloons).toEqual([
    { name: "needs", byteLength: 108 * MIB },
    { name: "needs-all", byteLength: 0 },
  ]);
});

test("a balloon that an operator has set stays as it is, under pressure and after it", () => {
  const operators = claim("a", { balloonTargetByteLength: 10 * MIB });
  expect(plan([operators], 900).balloons).toEqual([]);
  expect(plan([operators], 100).balloons).toEqual([]);
});

test("when the pressure is over, the policy's own balloons are let go", () => {
  const ours = claim("a", { balloonTargetByteLength: 100 * MIB, isBalloonOurs: true });
  expect(plan([ours], 800).balloons).toEqual([]);
  expect(plan([ours], 600).balloons).toEqual([{ name: "a", byteLength: 0 }]);
});

test("over the budget the longest idle machines are hibernated, as many as are needed", () => {
  const claims = [
    claim("recent", { lastActiveMs: NOW - 10_000 }),
    claim("oldest", { lastActiveMs: NOW - 90_000 }),
    claim("old", { lastActiveMs: NOW - 50_000 }),
  ];
  expect(plan(claims, 1050).hibernate).toEqual(["oldest"]);
  expect(plan(claims, 1150).hibernate).toEqual(["oldest", "old"]);
});

test("machines that are busy are hibernated last, and those that are held never", () => {
  const claims = [
    claim("busy", { lastActiveMs: NOW }),
    claim("held", { isHeld: true, lastActiveMs: 0 }),
    claim("idle", { lastActiveMs: NOW - 6000 }),
  ];
  expect(plan(claims, 1050).hibernate).toEqual(["idle"]);
  expect(plan(claims, 1150).hibernate).toEqual(["idle", "busy"]);
});

test("machines that had to make room wake when there is room for them, who sleeps longest first", () => {
  const claims = [
    claim("later", { state: "evicted", lastActiveMs: NOW - 1000 }),
    claim("first", { state: "evicted", lastActiveMs: NOW - 2000 }),
    claim("asked", { state: "absent", lastActiveMs: 0 }),
  ];
  expect(plan(claims, 800).wake).toEqual([]);
  expect(plan(claims, 600).wake).toEqual(["first"]);
  expect(plan(claims, 500).wake).toEqual(["first", "later"]);
});
