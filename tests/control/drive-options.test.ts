import { expect, test } from "vitest";
import { readDrive } from "../../host/control/drive-options.js";
import { VivariumError } from "../../host/util/errors.js";

const PLAIN = { format: null, readOnly: false, snapshot: false, backing: "same-directory", limits: null };

test("drive options: a name alone is a writable disk of the format that it seems to be", () => {
  expect(readDrive("a.img")).toEqual({ ...PLAIN, file: "a.img" });
});

test("drive options: a file's name may have commas, and equals signs before them", () => {
  expect(readDrive("c,d.img").file).toBe("c,d.img");
  expect(readDrive("x=1,d.img,readonly")).toEqual({ ...PLAIN, file: "x=1,d.img", readOnly: true });
  expect(readDrive("readonly").file).toBe("readonly");
});

test("drive options: all of them, in any order", () => {
  expect(readDrive("a,serial=S 1,iops=500,format=qcow2,bps=10MiB,snapshot,bps-burst=1048576,backing=any")).toEqual({
    file: "a",
    format: "qcow2",
    readOnly: false,
    snapshot: true,
    backing: "any",
    serial: "S 1",
    limits: { operationsPerSecond: 500, bytesPerSecond: 10 << 20, burstBytes: 1 << 20 },
  });
});

test("drive options: a snapshot within an image is read-only, unless what is written goes elsewhere", () => {
  expect(readDrive("a,internal=one")).toMatchObject({ internalSnapshot: "one", readOnly: true });
  expect(readDrive("a,internal=one,snapshot")).toMatchObject({ internalSnapshot: "one", readOnly: false });
});

const KNOWN =
  "readonly, snapshot, format=..., internal=..., serial=..., backing=..., iops=..., iops-burst=..., bps=..., bps-burst=...";

const refusals: readonly [text: string, message: string][] = [
  ["", "--drive: the file name is empty; expected a file"],
  [",readonly", "--drive: the file name is empty; expected a file"],
  ["a,format=vdi", '--drive a,format=vdi: "vdi" is not a format; expected raw, qcow2, vmdk, vhdx'],
  ["a,fromat=raw", `--drive a,fromat=raw: "fromat" is no option; expected ${KNOWN}`],
  ["a,iops=0", "--drive a,iops=0: iops=0; expected a number such as 500"],
  ["a,iops=many", "--drive a,iops=many: iops=many; expected a number such as 500"],
  ["a,bps=10XB", "--drive a,bps=10XB: bps=10XB; expected an amount such as 10MiB"],
  ["a,serial=", "--drive a,serial=: serial=; expected 1 to 20 ASCII characters"],
  [
    `a,serial=${"x".repeat(21)}`,
    `--drive a,serial=${"x".repeat(21)}: serial=${"x".repeat(21)}; expected 1 to 20 ASCII characters`,
  ],
  ["a,backing=some", "--drive a,backing=some: backing=some; expected backing=same-directory or backing=any"],
];

for (const [text, message] of refusals) {
  test(`drive options: ${JSON.stringify(text)} is refused in one line`, () => {
    expect(() => readDrive(text)).toThrow(new VivariumError("option/invalid", message));
  });
}
