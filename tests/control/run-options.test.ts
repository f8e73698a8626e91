import { expect, test } from "vitest";
import { type RunOptions, readRunOptions } from "../../host/control/run-options.js";
import { VivariumError } from "../../host/util/errors.js";

const MIB = 1024 * 1024;

function guestOf(options: RunOptions) {
  return readRunOptions(options).machine.guest;
}

test("run options: nothing given is the default image with 512 MiB, one hart and the host's clock", () => {
  expect(readRunOptions({})).toEqual({
    action: "run",
    machine: {
      guest: { kind: "image", name: "debian-mini", append: "" },
      memoryByteLength: 512 * MIB,
      hartCount: 1,
      drives: [],
      networks: [],
      shares: [],
      inputs: [],
      clock: "host",
      virtio: "modern",
      translate: "on",
      translationByteLengthMax: 64 * MIB,
      stats: false,
    },
    cold: false,
  });
});

test("run options: --exec makes a command of the same machine", () => {
  const action = readRunOptions({ exec: "uname -a", memory: "1GiB", harts: "8", clock: "virtual", stats: true });
  expect(action).toMatchObject({ action: "exec", command: "uname -a" });
  expect(action.machine).toMatchObject({ memoryByteLength: 1024 * MIB, hartCount: 8, clock: "virtual", stats: true });
});

test("run options: translation has three modes and a limit that is an amount of memory", () => {
  const { machine } = readRunOptions({ translate: "eager", translationCache: "8MiB" });
  expect(machine).toMatchObject({ translate: "eager", translationByteLengthMax: 8 * MIB });
  expect(() => readRunOptions({ translate: "fast" })).toThrow(
    '--translate: "fast" is not a mode; expected off, on or eager',
  );
  expect(() => readRunOptions({ translationCache: "0" })).toThrow(
    '--translation-cache: "0" is not an amount of memory; expected such as 64MiB',
  );
});

test("run options: --dump-region takes an address in hexadecimal, with 0x or without", () => {
  expect(readRunOptions({ dumpRegion: "80200000" }).machine).toMatchObject({ dumpRegion: 0x8020_0000n });
  expect(readRunOptions({ dumpRegion: "0xFFFFFFFF80001234" }).machine).toMatchObject({
    dumpRegion: 0xffff_ffff_8000_1234n,
  });
  expect(() => readRunOptions({ dumpRegion: "main" })).toThrow(
    '--dump-region: "main" is not an address; expected hexadecimal, such as 80200000',
  );
});

test("run options: a kernel has its initrd and command line, and a firmware below it if asked", () => {
  expect(guestOf({ kernel: "Image" })).toEqual({ kind: "linux", kernel: "Image", commandLine: "" });
  expect(guestOf({ kernel: "Image", initrd: "i", append: "quiet" })).toEqual({
    kind: "linux",
    kernel: "Image",
    initrd: "i",
    commandLine: "quiet",
  });
  expect(guestOf({ bios: "fw", kernel: "Image", initrd: "i", append: "quiet" })).toEqual({
    kind: "firmware",
    firmware: "fw",
    kernel: "Image",
    initrd: "i",
    commandLine: "quiet",
  });
});

test("run options: --bios alone starts the firmware alone, with an image or --exec below the image's kernel", () => {
  expect(guestOf({ bios: "fw" })).toEqual({ kind: "firmware", firmware: "fw", commandLine: "" });
  expect(guestOf({ bios: "fw", image: "debian-mini" })).toEqual({
    kind: "image",
    name: "debian-mini",
    firmware: "fw",
    append: "",
  });
  expect(guestOf({ bios: "fw", exec: "true" })).toMatchObject({ kind: "image", firmware: "fw" });
});

test("run options: --append beside an image extends its command line", () => {
  expect(guestOf({ append: "quiet" })).toEqual({ kind: "image", name: "debian-mini", append: "quiet" });
});

test("run options: drives are read one by one, in their order", () => {
  const { drives } = readRunOptions({ drive: ["a.img", "b.img,readonly"] }).machine;
  expect(drives.map(({ file, readOnly }) => [file, readOnly])).toEqual([
    ["a.img", false],
    ["b.img", true],
  ]);
});

const refusals: readonly [options: RunOptions, message: string][] = [
  [{ memory: "7" }, '--memory: "7" is not an amount of memory; expected 64MiB to 4032MiB, such as 512MiB or 2GiB'],
  [
    { memory: "lots" },
    '--memory: "lots" is not an amount of memory; expected 64MiB to 4032MiB, such as 512MiB or 2GiB',
  ],
  [{ memory: "63MiB" }, "--memory: 63MiB is out of range; expected 64MiB to 4032MiB"],
  [{ memory: "4GiB" }, "--memory: 4GiB is out of range; expected 64MiB to 4032MiB"],
  [{ memory: "65537KiB" }, "--memory: 65537KiB is not a whole number of pages; expected a multiple of 4KiB"],
  [{ harts: "9" }, '--harts: "9" is not a number of harts; expected 1 to 8'],
  [{ harts: "0" }, '--harts: "0" is not a number of harts; expected 1 to 8'],
  [{ harts: "1.5" }, '--harts: "1.5" is not a number of harts; expected 1 to 8'],
  [{ harts: "" }, '--harts: "" is not a number of harts; expected 1 to 8'],
  [{ clock: "sundial" }, '--clock: "sundial" is not a clock; expected host or virtual'],
  [{ virtio: "1.3" }, '--virtio: "1.3" is no interface; expected modern or legacy'],
  [{ exec: " " }, "--exec: the command is empty; expected a shell command"],
  [{ drive: Array.from("abcdefg") }, "--drive: 7 drives; expected at most 6"],
  [{ drive: [",readonly"] }, "--drive: the file name is empty; expected a file"],
  [{ kernel: "" }, "--kernel: the file name is empty; expected a file"],
  [{ bare: "a", bios: "b" }, "--bare and --bios exclude each other: a bare program starts alone"],
  [{ bare: "a", kernel: "b" }, "--bare and --kernel exclude each other: a bare program starts alone"],
  [
    { append: "quiet\ninit=/bin/sh" },
    "--append: character 6 is a control character; expected words with spaces between them",
  ],
  [
    { kernel: "Image", append: "\u009b" },
    "--append: character 1 is a control character; expected words with spaces between them",
  ],
  [{ bare: "a", append: "b" }, "--bare and --append exclude each other: a bare program starts alone"],
  [{ bare: "a", exec: "b" }, "--bare and --exec exclude each other: a bare program starts alone"],
  [{ bare: "a", image: "b" }, '--bare and image "b" exclude each other: a bare program starts alone'],
  [{ kernel: "a", image: "b" }, '--kernel and image "b" exclude each other: an image has its own kernel'],
  [{ kernel: "a", exec: "b" }, "--exec and --kernel exclude each other: --exec needs an image, which answers it"],
  [{ initrd: "a" }, "--initrd needs --kernel: an image has its own initrd"],
  [{ initrd: "a", bios: "b" }, "--initrd needs --kernel: an image has its own initrd"],
  [
    { append: "a", bios: "b" },
    "--append needs --kernel or an image beside --bios: there is no command line without a kernel",
  ],
];

for (const [options, message] of refusals) {
  test(`run options: ${JSON.stringify(options)} is refused in one line`, () => {
    expect(() => readRunOptions(options)).toThrow(new VivariumError("option/invalid", message));
  });
}

test("a machine that is saved has its disks in its own file", () => {
  expect(() => readRunOptions({ image: "debian", save: "lab.viv", disk: "mine.qcow2" })).toThrow(
    "--save and --disk exclude each other",
  );
});
