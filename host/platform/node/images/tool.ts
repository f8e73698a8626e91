import { spawn } from "node:child_process";

/** How a program that we ran has failed. `exitCode` is null when it could not be started or died by a signal. */
export class ToolError extends Error {
  override readonly name = "ToolError";
  constructor(
    readonly tool: string,
    readonly exitCode: number | null,
    /** Whether there is no such program. */
    readonly isMissing: boolean,
    readonly stderr: string,
  ) {
    super(isMissing ? `${tool} is not installed` : `${tool} failed: ${firstComplaint(stderr)}`);
  }
}

export interface ToolOptions {
  /** Added to our own environment. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly workingDirectory?: string;
  /** Receives the lines that the program writes to file descriptor 3. */
  readonly onStatus?: ((line: string) => void) | undefined;
}

/**
 * Runs a program with no input and in the C locale. It ends with us.
 *
 * @returns what it has written to standard output
 * @throws ToolError when it cannot be started or fails
 */
export function runTool(tool: string, args: readonly string[], options: ToolOptions = {}): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(tool, args, {
      cwd: options.workingDirectory,
      env: { ...process.env, ...options.environment, LC_ALL: "C" },
      stdio: ["ignore", "pipe", "pipe", "pipe"],
    });
    const endWithUs = () => child.kill("SIGKILL");
    process.once("exit", endWithUs);
    child.on("close", () => process.off("exit", endWithUs));
    const output: Buffer[] = [];
    const complaints: Buffer[] = [];
    child.stdout?.on("data", (chunk: Buffer) => output.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => complaints.push(chunk));
    let partialLine = "";
    child.stdio[3]?.on("data", (chunk: Buffer) => {
      const lines = (partialLine + chunk.toString()).split("\n");
      partialLine = lines.pop() ?? "";
      for (const line of lines) options.onStatus?.(line);
    });
    const fail = (exitCode: number | null, isMissing: boolean): void =>
      reject(new ToolError(tool, exitCode, isMissing, Buffer.concat(complaints).toString()));
    child.on("error", (error: NodeJS.ErrnoException) => fail(null, error.code === "ENOENT"));
    child.on("close", (exitCode) => (exitCode === 0 ? resolve(Buffer.concat(output)) : fail(exitCode, false)));
  });
}

/** The first line by which apt or dpkg says what is wrong, without its prefix; or the first line at all. */
function firstComplaint(stderr: string): string {
  const lines = stderr.split("\n").map((line) => line.trim());
  const complaint = lines.find((line) => /^(E|dpkg-deb: error): /.test(line)) ?? lines.find((line) => line !== "");
  return complaint?.replace(/^(E|dpkg-deb: error): /, "").replace(/\s+/g, " ") ?? "no reason given";
}

/** The error's own reason, for a message of ours. */
export function reasonOf(error: unknown): string {
  return error instanceof ToolError ? firstComplaint(error.stderr) : String(error);
}
