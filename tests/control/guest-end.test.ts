import { expect, test } from "vitest";
import { type GuestEnd, reportEnd } from "../../host/control/guest-end.js";

const ends: readonly [name: string, end: GuestEnd, status: number, message?: string][] = [
  ["power off is success", { kind: "poweroff" }, 0],
  ["leaving is success", { kind: "left" }, 0],
  ["a failure code is the status", { kind: "fail", code: 7 }, 7, "the guest reported failure 7"],
  ["a failure with code 0 is still a failure", { kind: "fail", code: 0 }, 1, "the guest reported failure 0"],
  ["a large failure code is 125", { kind: "fail", code: 65535 }, 125, "the guest reported failure 65535"],
  ["a passed test program is success", { kind: "htif", exitCode: 0, testNumber: 0 }, 0],
  ["a failed test program names its test", { kind: "htif", exitCode: 1, testNumber: 12 }, 1, "test 12 failed"],
  [
    "a panic is 3",
    { kind: "panic", message: "Kernel panic - not syncing: x" },
    3,
    "the guest panicked: Kernel panic - not syncing: x",
  ],
  ["a signal is 128 + its number", { kind: "signal", number: 15 }, 143],
];

for (const [name, end, status, message] of ends) {
  test(`guest end: ${name}`, () => {
    expect(reportEnd(end, false)).toEqual(message === undefined ? { status } : { status, message });
  });
}

test("guest end: a command's status is passed on as it is", () => {
  expect(reportEnd({ kind: "command", status: 0 }, true)).toEqual({ status: 0 });
  expect(reportEnd({ kind: "command", status: 255 }, true)).toEqual({ status: 255 });
});

test("guest end: switching off or resetting before the command ended is no success", () => {
  expect(reportEnd({ kind: "poweroff" }, true)).toEqual({
    status: 1,
    message: "the guest switched itself off before the command ended",
  });
  expect(reportEnd({ kind: "reboot" }, true)).toEqual({
    status: 1,
    message: "the guest reset itself before the command ended",
  });
});
