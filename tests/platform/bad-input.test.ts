import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { hello } from "./bare-programs.js";
import { viv } from "./viv-process.js";

const directory = mkdtempSync(join(tmpdir(), "viv-bad-input-"));
afterAll(() => rmSync(directory, { recursive: true }));

function file(name: string, contents: Uint8Array | string): string {
  const path = join(directory, name);
  writeFileSync(path, contents);
  return path;
}

/** The header of an ELF for a 64-bit x86, which is all that is looked at. */
function x86Elf(): Uint8Array {
  const bytes = new Uint8Array(64);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  bytes.set([2, 0, 62, 0], 16);
  return bytes;
}

/** A Linux Image's header that asks for `byteLength` of memory: Documentation/arch/riscv/boot-image-header.rst. */
function linuxImage(byteLength: number): Uint8Array {
  const bytes = new Uint8Array(4096);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(8, 0x20_0000n, true);
  view.setBigUint64(16, BigInt(byteLength), true);
  view.setUint32(48, 0x5643_5352, true);
  view.setUint32(56, 0x0543_5352, true);
  return bytes;
}

const program = file("program.bin", hello("x"));
const text = file("notes.txt", "these are notes\n".repeat(100));
const disk = file("disk.img", new Uint8Array(1024));
const odd = file("odd.img", new Uint8Array(1000));
const absent = join(directory, "absent");
const image = join(directory, "broken-image");
mkdirSync(image);
writeFileSync(join(image, "manifest.json"), "{}");

const bare = ["--bare", program];
const KERNEL = "a kernel (Linux Image or ELF for riscv64)";
const PROGRAM = "a program (ELF for riscv64 or raw)";
const DISK = "a disk image";

/** The line after `viv: `, whole or by a pattern where another part of the program words it. */
const refusals: readonly [args: readonly string[], line: string | RegExp][] = [
  [["run", "--bare", absent], `--bare: ${absent} does not exist; expected ${PROGRAM}`],
  [["run", "--kernel", absent], `--kernel: ${absent} does not exist; expected ${KERNEL}`],
  [["run", "--kernel", directory], `--kernel: ${directory} is a directory; expected ${KERNEL}`],
  [["run", "--bios", directory], /^--bios: .* is a directory; expected a firmware/],
  [["run", "--bare", file("empty", "")], `--bare: ${join(directory, "empty")} is empty; expected ${PROGRAM}`],
  [["run", "--bare", file("x86", x86Elf())], /^--bare: .*x86: .*RISC-V.*62/],
  [["run", "--kernel", file("x86", x86Elf())], /^--kernel: .*x86: .*RISC-V.*62/],
  [["run", "--kernel", text], /^--kernel: .*notes\.txt: .*Image.*ELF/],
  [
    ["run", "--kernel", file("large", linuxImage(600 * 1024 * 1024))],
    /^--kernel: .*large: .*600 MiB.*larger --memory$/,
  ],
  [
    ["run", "--memory", "7"],
    '--memory: "7" is not an amount of memory; expected 64MiB to 4032MiB, such as 512MiB or 2GiB',
  ],
  [["run", "--memory", "1MiB"], "--memory: 1MiB is out of range; expected 64MiB to 4032MiB"],
  [["run", "--harts", "9"], '--harts: "9" is not a number of harts; expected 1 to 8'],
  [["run", ...bare, "--drive", odd], `disk0: ${odd} is 1000 bytes long; expected a multiple of 512 bytes`],
  [["run", ...bare, "--drive", disk, "--drive", absent], `disk1: ${absent} does not exist; expected ${DISK}`],
  [["run", ...bare, "--drive", "\u001b]0;title\u0007"], /^disk0: \P{Cc}+ does not exist/u],
  [["run", ...bare, "--drive", directory], `disk0: ${directory} is a directory; expected ${DISK}`],
  [
    ["run", ...bare, "--drive", disk, "--drive", disk],
    `disk1: ${disk} is disk0 already; expected another file, or both readonly`,
  ],
  [["run", ...bare, ...Array(7).fill(["--drive", disk]).flat()], "--drive: 7 drives; expected at most 6"],
  [
    ["run", ...bare, "--commit-log", join(absent, "log")],
    `--commit-log: ${absent}/log cannot be written (ENOENT); expected a file in a writable directory`,
  ],
  [
    ["run", ...bare, "--commit-log", directory],
    `--commit-log: ${directory} is a directory; expected a file in a writable directory`,
  ],
  [["run", ...bare, "--bios", program], "--bare and --bios exclude each other: a bare program starts alone"],
  [["run", "--kernel", program, "--exec", "true"], /^--exec and --kernel exclude each other/],
  [
    ["run", "debian-mini", "--kernel", program],
    '--kernel and image "debian-mini" exclude each other: an image has its own kernel',
  ],
  [["run", "no-such-image"], /no-such-image.*debian-mini/],
  [["run", image], /manifest\.json/],
  [["run", "--frobnicate"], `unknown option '--frobnicate'; "viv run --help" lists what there is`],
  [["run", "--memory"], `option '--memory <amount>' argument missing; "viv run --help" lists what there is`],
  [
    ["run", "one", "two"],
    `too many arguments for 'run'. Expected 1 argument but got 2; "viv run --help" lists what there is`,
  ],
  [["image", "fly"], 'image: "fly" is no command; expected ls, build, rm, import'],
  [["run", ...bare, "--limits", absent], `--limits: ${absent} cannot be read (ENOENT); expected a file of limits`],
  [["open"], `missing required argument 'file'; "viv open --help" lists what there is`],
  [["pool", "fly"], 'pool: "fly" is no command; expected ls, create, set, rm'],
  [["fly"], `unknown command 'fly'; "viv --help" lists what there is`],
];

for (const [args, line] of refusals) {
  const shown = args.map((arg) => arg.replace(directory, "DIR")).join(" ");
  test(`bad input: "viv ${shown}" is refused in one line with status 2`, async () => {
    const result = await viv(args, { env: { VIV_CACHE_DIR: join(directory, "cache") } });
    expect(result.stderr).toMatch(/^viv: [^\n]+\n$/);
    const message = result.stderr.slice("viv: ".length, -1);
    if (typeof line === "string") expect(message).toBe(line);
    else expect(message).toMatch(line);
    expect(result.stdout).toBe("");
    expect(result.status).toBe(2);
  });
}

test("bad input: a commit log that is refused is the only thing that happened", async () => {
  await viv(["run", ...bare, "--commit-log", join(absent, "log")]);
  const result = await viv(["run", ...bare]);
  expect(result).toEqual({ status: 0, stdout: "x", stderr: "" });
});
