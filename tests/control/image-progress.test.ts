import { expect, test } from "vitest";
import { ImageProgressReport } from "../../host/control/image-progress.js";

const MIB = 1024 * 1024;

function scene(moving: boolean) {
  const lines: string[] = [];
  const clock = { ms: 0 };
  const display = {
    replace: (line: string) => void lines.push(`~${line}`),
    append: (line: string) => void lines.push(line),
  };
  return { lines, clock, report: new ImageProgressReport("debian-mini", display, moving, () => clock.ms) };
}

test("image progress: nothing is said of an image that is there already", () => {
  for (const moving of [true, false]) {
    const { lines, report } = scene(moving);
    report.finish();
    expect(lines).toEqual([]);
  }
});

test("image progress: a bar moves in place, ten times a second at most, and is gone in the end", () => {
  const { lines, clock, report } = scene(true);
  report.update({ stage: "lists", doneBytes: 0, totalBytes: null });
  report.update({ stage: "packages", doneBytes: 0, totalBytes: 40 * MIB });
  clock.ms = 50;
  report.update({ stage: "packages", doneBytes: 5 * MIB, totalBytes: 40 * MIB });
  clock.ms = 100;
  report.update({ stage: "packages", doneBytes: 10 * MIB, totalBytes: 40 * MIB });
  report.finish();
  expect(lines).toEqual([
    "~viv: debian-mini: fetching package lists",
    "~viv: debian-mini: [........................] fetching packages, 0.0 of 40.0 MiB",
    "~viv: debian-mini: [######..................] fetching packages, 10.0 of 40.0 MiB",
    "~",
  ]);
});

test("image progress: where lines stay, a stage is named and told at each quarter", () => {
  const { lines, report } = scene(false);
  for (let done = 0; done <= 40; done++) {
    report.update({ stage: "packages", doneBytes: done * MIB, totalBytes: 40 * MIB });
  }
  report.update({ stage: "assemble", doneBytes: 0, totalBytes: null });
  report.update({ stage: "assemble", doneBytes: MIB, totalBytes: null });
  report.finish();
  expect(lines).toEqual([
    "viv: debian-mini: fetching packages, 0.0 of 40.0 MiB",
    "viv: debian-mini: fetching packages, 10.0 of 40.0 MiB",
    "viv: debian-mini: fetching packages, 20.0 of 40.0 MiB",
    "viv: debian-mini: fetching packages, 30.0 of 40.0 MiB",
    "viv: debian-mini: fetching packages, 40.0 of 40.0 MiB",
    "viv: debian-mini: building kernel and initrd",
    "viv: debian-mini: ready",
  ]);
});

test("image progress: a total of nothing is no division", () => {
  const { lines, report } = scene(true);
  report.update({ stage: "unpack", doneBytes: 0, totalBytes: 0 });
  expect(lines).toEqual(["~viv: debian-mini: unpacking packages, 0.0 of 0.0 MiB"]);
});
