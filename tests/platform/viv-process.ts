import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The built program, as `npm run build` leaves it. */
export const VIV = fileURLToPath(new URL("../../dist/host/platform/node/viv.js", import.meta.url));

export interface VivResult {
  /** Null when a signal ended the process. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface VivOptions {
  readonly input?: string | Uint8Array;
  readonly env?: NodeJS.ProcessEnv;
  /** Sent once the output holds the text. */
  readonly signalAt?: { readonly text: string; readonly signal: NodeJS.Signals };
}

/** Runs `viv` to its end. Output is read as Latin-1: one character a byte. */
export async function viv(args: readonly string[], options: VivOptions = {}): Promise<VivResult> {
  if (!existsSync(VIV)) throw new Error('dist is missing: run "npm run build" first');
  const child = spawn(process.execPath, [VIV, ...args], { env: { ...process.env, ...options.env } });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("latin1").on("data", (text: string) => {
    stdout += text;
    if (options.signalAt !== undefined && stdout.includes(options.signalAt.text)) child.kill(options.signalAt.signal);
  });
  child.stderr.setEncoding("latin1").on("data", (text: string) => {
    stderr += text;
  });
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  const status = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { status, stdout, stderr };
}
