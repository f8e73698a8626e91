import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readInputFile } from "../../host/platform/node/input-file.js";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "viv-input-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

const read = (name: string) => readInputFile({ option: "--kernel", file: join(directory, name), expected: "a kernel" });

test("input file: a file is read whole", async () => {
  const contents = Uint8Array.from({ length: 200_000 }, (_, index) => index % 251);
  writeFileSync(join(directory, "kernel"), contents);
  expect(Buffer.compare(await read("kernel"), contents)).toBe(0);
});

test("input file: a pipe is read to its end", async () => {
  const pipe = join(directory, "pipe");
  execFileSync("mkfifo", [pipe]);
  const writer = spawn("sh", ["-c", `printf first; sleep 0.1; printf second`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const feeder = spawn("sh", ["-c", `cat > '${pipe}'`], { stdio: ["pipe", "inherit", "inherit"] });
  writer.stdout.pipe(feeder.stdin);
  expect(Buffer.from(await read("pipe")).toString()).toBe("firstsecond");
});

test("input file: what is no file to read is refused by name and says what is expected", async () => {
  writeFileSync(join(directory, "empty"), "");
  const at = (name: string) => join(directory, name);
  await expect(read("missing")).rejects.toThrow(`--kernel: ${at("missing")} does not exist; expected a kernel`);
  await expect(read("empty/below")).rejects.toThrow(`--kernel: ${at("empty/below")} does not exist; expected a kernel`);
  await expect(read(".")).rejects.toThrow(`--kernel: ${at(".")} is a directory; expected a kernel`);
  await expect(read("empty")).rejects.toThrow(`--kernel: ${at("empty")} is empty; expected a kernel`);
});

test("input file: a device is refused, for it may have no end", async () => {
  const zero = readInputFile({ option: "--kernel", file: "/dev/zero", expected: "a kernel" });
  await expect(zero).rejects.toThrow("--kernel: /dev/zero is a device; expected a kernel");
});
