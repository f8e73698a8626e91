import { expect, test } from "vitest";
import { driveFailures } from "../../host/control/drive-failures.js";

test("drive failures: each reason is told once, in one line", () => {
  const lines: string[] = [];
  const tell = driveFailures("disk0", (text) => lines.push(text));
  for (let count = 0; count < 3; count++) tell(new Error("ENOSPC: no space left\non device, write"));
  tell("gone");
  expect(lines).toEqual([
    "viv: disk0: a request failed: ENOSPC: no space left on device, write",
    "viv: disk0: a request failed: gone",
  ]);
});

test("drive failures: a drive with ever new reasons becomes silent", () => {
  const lines: string[] = [];
  const tell = driveFailures("disk0", (text) => lines.push(text));
  for (let count = 0; count < 1000; count++) tell(new Error(`sector ${count}`));
  expect(lines).toHaveLength(8);
});
