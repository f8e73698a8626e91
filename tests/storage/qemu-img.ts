/** QEMU's own programs for disk images: another implementation of every format. */
import { spawnSync } from "node:child_process";
import type { TestContext } from "vitest";

const isCi = process.env.CI !== undefined && process.env.CI !== "" && process.env.CI !== "false";

/** Skips the test where qemu-img is missing. @throws Error in CI */
export function needsQemuImg(context: TestContext): void {
  if (spawnSync("qemu-img", ["--version"]).status === 0) return;
  const reason = "qemu-img is missing: install Debian's qemu-utils";
  if (isCi) throw new Error(reason);
  context.skip(reason);
}

/** @returns its output @throws Error with its complaint when it fails */
export function qemuImg(...args: readonly string[]): string {
  return run("qemu-img", args);
}

/** Runs commands of qemu-io on an image, such as `write -P 7 0 64k`. */
export function qemuIo(image: string, ...commands: readonly string[]): string {
  return run("qemu-io", [...commands.flatMap((command) => ["-c", command]), image]);
}

function run(program: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}
