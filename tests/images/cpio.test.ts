import fc from "fast-check";
import { expect, test } from "vitest";
import { type CpioEntry, writeCpio } from "../../host/images/cpio.js";
import { readCpio } from "./read-cpio.js";

const path = fc.string({ minLength: 1, maxLength: 40, unit: "grapheme" }).filter((text) => !text.includes("\0"));
const mode = fc.integer({ min: 0, max: 0o7777 });
const entry: fc.Arbitrary<CpioEntry> = fc.oneof(
  fc.record({ kind: fc.constant("directory" as const), path, mode }),
  fc.record({ kind: fc.constant("file" as const), path, mode, content: fc.uint8Array({ maxLength: 50 }) }),
  fc.record({ kind: fc.constant("symlink" as const), path, target: path }),
  fc.record({
    kind: fc.constant("character-device" as const),
    path,
    mode,
    major: fc.integer({ min: 0, max: 511 }),
    minor: fc.integer({ min: 0, max: 0xfffff }),
  }),
);

/** What stat(2) says the type bits of a mode mean. */
const TYPES = { directory: 0o040000, file: 0o100000, symlink: 0o120000, "character-device": 0o020000 };

test("cpio: a reader finds every entry in its order, with its type, mode, device numbers and content", () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 8 }), (entries) => {
      const read = readCpio(writeCpio(entries));
      expect(read.map((item) => item.path)).toEqual(entries.map((item) => item.path));
      entries.forEach((item, index) => {
        const found = read[index]!;
        const permissions = item.kind === "symlink" ? 0o777 : item.mode;
        expect(found.mode).toBe(TYPES[item.kind] | permissions);
        const content =
          item.kind === "file" ? item.content : item.kind === "symlink" ? new TextEncoder().encode(item.target) : [];
        expect([...found.content]).toEqual([...content]);
        const device = item.kind === "character-device" ? [item.major, item.minor] : [0, 0];
        expect([found.deviceMajor, found.deviceMinor]).toEqual(device);
      });
    }),
  );
});

test("cpio: no two entries share an inode number, or Linux would take them for links to one file", () => {
  const files = ["a", "b", "c"].map((name) => ({ kind: "file", path: name, mode: 0o644, content: Uint8Array.of(1) }));
  const inodes = readCpio(writeCpio(files as CpioEntry[])).map((item) => item.inode);
  expect(new Set(inodes).size).toBe(3);
});

test("cpio: equal entries give equal bytes", () => {
  const entries: CpioEntry[] = [{ kind: "file", path: "etc/motd", mode: 0o644, content: Uint8Array.of(1, 2, 3) }];
  expect(writeCpio(entries)).toEqual(writeCpio(entries));
});

test("cpio: an archive of nothing is its trailer alone, 124 bytes", () => {
  // 110 bytes of header, 11 of name with its NUL, 3 of padding.
  expect(writeCpio([]).length).toBe(124);
});
