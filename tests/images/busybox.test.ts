import { expect, test } from "vitest";
import { readAppletNames } from "../../host/images/busybox.js";

const NAMES = ["[", "[[", "ash", "busybox", "cat", "modprobe", "mount", "sh", "time", "zcat"];

function executable(names: readonly string[], before = "\x00code "): Uint8Array {
  return Buffer.from(`${before}${names.map((name) => `${name}\0`).join("")}\x01\x02 more\0`, "latin1");
}

test("busybox: the names of its programs are those of the table, wherever it begins", () => {
  expect(readAppletNames(executable(NAMES))).toEqual(NAMES);
});

test("busybox: texts that only begin like the table are passed over", () => {
  expect(readAppletNames(executable(NAMES, "[\0[[\0usage\0"))).toEqual(NAMES);
});

test("busybox: the table ends where the order of its bytes does", () => {
  expect(readAppletNames(Buffer.concat([executable(NAMES).subarray(0, -7), Buffer.from("abc\0")]))).toEqual(NAMES);
});

test("busybox: a file without such a table is refused", () => {
  expect(() => readAppletNames(executable(["[", "[[", "cat"]))).toThrow("busybox: found no table of programs");
});
