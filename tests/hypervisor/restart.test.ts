import { expect, test } from "vitest";
import { BackOff, endOf, isRestarted } from "../../host/hypervisor/restart.js";

const OFF = endOf({ kind: "poweroff" });
const FAILED = endOf({ kind: "fail", code: 1 });

test("a policy decides by how the machine ended", () => {
  expect(["never", "on-failure", "always"].map((policy) => isRestarted(policy as "never", OFF))).toEqual([
    false,
    false,
    true,
  ]);
  expect(["never", "on-failure", "always"].map((policy) => isRestarted(policy as "never", FAILED))).toEqual([
    false,
    true,
    true,
  ]);
});

test("who keeps ending waits twice as long each time, up to a minute; who ran for long begins anew", () => {
  const backOff = new BackOff();
  expect(Array.from({ length: 9 }, () => backOff.next(0))).toEqual([
    500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000,
  ]);
  expect(backOff.next(60_000)).toBe(500);
  backOff.next(0);
  backOff.reset();
  expect(backOff.next(0)).toBe(500);
});
