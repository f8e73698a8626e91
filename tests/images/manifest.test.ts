import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatManifest, type ImageManifest, parseManifest } from "../../host/images/manifest.js";
import { VivariumError } from "../../host/util/errors.js";

const SHA256 = "0123456789abcdef".repeat(4);
const manifest: ImageManifest = {
  name: "debian-mini",
  recipeVersion: 1,
  architecture: "riscv64",
  packages: [{ name: "busybox-static", version: "1:1.37.0-6+b9", sha256: SHA256 }],
  kernel: { file: "kernel", byteLength: 1000, sha256: SHA256 },
  initrd: { file: "initrd", byteLength: 2000, sha256: SHA256 },
  commandLine: "console=ttyS0 quiet",
  execProtocol: 1,
};
const text = formatManifest(manifest);

function errorOf(json: string): VivariumError {
  try {
    parseManifest(json, "image/manifest.json");
  } catch (error) {
    if (error instanceof VivariumError) return error;
    throw error;
  }
  throw new Error("the manifest was accepted");
}

/** The manifest with one value replaced: the path is written with dots. */
function withValue(path: string, value: unknown): string {
  const copy = JSON.parse(text);
  const keys = path.split(".");
  const last = keys.pop()!;
  const owner = keys.reduce((object, key) => object[key], copy);
  if (value === undefined) delete owner[last];
  else owner[last] = value;
  return JSON.stringify(copy);
}

test("manifest: what was written is read back", () => {
  expect(parseManifest(text, "manifest.json")).toEqual(manifest);
});

test("manifest: an image may have a disk", () => {
  const withDisk = { ...manifest, disk: { file: "disk.img", byteLength: 2 ** 40 } };
  expect(parseManifest(formatManifest(withDisk), "manifest.json")).toEqual(withDisk);
});

test("manifest: an image may say how much memory its guest needs at least", () => {
  const withMinimum = { ...manifest, minimumMemoryMiB: 128 };
  expect(parseManifest(formatManifest(withMinimum), "manifest.json")).toEqual(withMinimum);
});

describe("manifest: the first wrong field is named, with what would be accepted", () => {
  const cases: [path: string, value: unknown, message: string][] = [
    ["format", "other", 'format: expected "vivarium-image", got "other"'],
    ["formatVersion", 2, "formatVersion: expected 1, got 2"],
    ["name", "", 'name: expected 1 to 64 letters, digits, "+", ".", "_" or "-", got ""'],
    ["name", undefined, 'name: expected 1 to 64 letters, digits, "+", ".", "_" or "-", got nothing'],
    ["recipeVersion", 1.5, "recipeVersion: expected an integer from 1 to 9007199254740991, got 1.5"],
    ["architecture", "amd64", 'architecture: expected "riscv64", got "amd64"'],
    ["packages", {}, "packages: expected a list of at most 4096 objects, got an object"],
    ["packages.0", "busybox", 'packages[0]: expected an object, got "busybox"'],
    ["packages.0.version", "1 2", 'packages[0].version: expected a Debian version number, got "1 2"'],
    ["kernel", null, "kernel: expected an object, got null"],
    ["kernel.byteLength", 0, "kernel.byteLength: expected an integer from 1 to 4294967295, got 0"],
    ["kernel.byteLength", 2 ** 32, "kernel.byteLength: expected an integer from 1 to 4294967295, got 4294967296"],
    ["kernel.sha256", "ABC", 'kernel.sha256: expected 64 lower-case hexadecimal digits, got "ABC"'],
    ["initrd.extra", 1, "initrd.extra: unknown field, known are file, byteLength, sha256"],
    ["commandLine", "a\nb", 'commandLine: expected at most 1023 printable ASCII characters, got "a\\nb"'],
    [
      "disk",
      { file: "../disk.img", byteLength: 512 },
      'disk.file: expected 1 to 64 letters, digits, "+", ".", "_" or "-": a file of the image\'s own directory, got "../disk.img"',
    ],
    [
      "disk",
      { file: "disk.img", byteLength: 0 },
      "disk.byteLength: expected an integer from 512 to 9007199254740991, got 0",
    ],
    ["execProtocol", true, "execProtocol: expected an integer from 0 to 65535, got true"],
  ];
  test.each(cases)("%s = %j", (path, value, message) => {
    const error = errorOf(withValue(path, value));
    expect(error.message).toBe(`image/manifest.json: ${message}`);
    expect(error.code).toBe("image/manifest");
  });
});

test.each(["../kernel", "/etc/passwd", "a/b", "..", ".", ""])("manifest: file %j is outside the directory", (file) => {
  expect(errorOf(withValue("kernel.file", file)).message).toMatch(/^image\/manifest\.json: kernel\.file: expected/);
});

test.each(["", "{", "[]", "null", '"text"'])("manifest: %j is not one", (json) => {
  expect(errorOf(json).message).toMatch(/^image\/manifest\.json: expected (JSON|an object, got .*)$/);
});

test("manifest: what stands in a message is one line of printable ASCII, however strange the value", () => {
  const value = `\u001b[2J\n馬${"x".repeat(1000)}`;
  expect(errorOf(withValue("name", value)).message).toMatch(/^[ -~]{1,200}\.\.\.$/);
  expect(errorOf(withValue(value, 1)).message).toMatch(/^[ -~]{1,400}$/);
});

test("manifest: whatever stands in it, the answer is a manifest or an error of one line of reasonable length", () => {
  const paths = ["name", "packages.0", "packages.0.name", "kernel", "kernel.file", "initrd.byteLength", "commandLine"];
  fc.assert(
    fc.property(fc.constantFrom(...paths), fc.jsonValue(), (path, value) => {
      try {
        parseManifest(withValue(path, value), "m");
      } catch (error) {
        expect(error).toBeInstanceOf(VivariumError);
        expect((error as Error).message).toMatch(/^[ -~]{1,400}$/);
      }
    }),
  );
});
