import { printable } from "../../control/cli/amounts.js";
import { SIGPIPE, STATUS_BAD_INPUT, STATUS_INTERNAL_ERROR, STATUS_OK, signalStatus } from "../../control/guest-end.js";
import { VivariumError } from "../../util/errors.js";
import { readCommandLine } from "./command-line.js";
import { answerCompletion } from "./completion.js";
import { Output } from "./output.js";

/** The program: reads its arguments, does what they say, and ends the process with the right status. */
export async function main(args: readonly string[]): Promise<never> {
  const stdout = new Output(process.stdout);
  const stderr = new Output(process.stderr);
  process.on("uncaughtException", (error) => process.exit(reportFailure(error, stderr)));
  let status: number;
  try {
    status = await run(args, stdout, stderr);
    await stdout.flushed();
    stdout.check();
    if (stdout.lost) status = signalStatus(SIGPIPE);
  } catch (error) {
    await stdout.flushed();
    status = reportFailure(error, stderr);
  }
  await stderr.flushed();
  process.exit(status);
}

async function run(args: readonly string[], stdout: Output, stderr: Output): Promise<number> {
  const request = readCommandLine(args);
  switch (request.kind) {
    case "text":
      stdout.write(Buffer.from(request.text));
      return STATUS_OK;
    case "completion":
      stdout.write(Buffer.from(await answerCompletion(request.completion)));
      return STATUS_OK;
    case "action": {
      // A shell that completes a line does not wait for all of it to be loaded.
      const { perform } = await import("./perform.js");
      const report = await perform(request.action, { stdin: process.stdin, stdout, stderr });
      if (report.message !== undefined) stderr.line(`viv: ${report.message}`);
      return report.status;
    }
  }
}

/** One line for the operator; where in the program it happened only when asked for. */
function reportFailure(error: unknown, stderr: Output): number {
  const known = error instanceof VivariumError;
  const said = error instanceof Error ? error.message : String(error);
  // Names come out of files and from other hosts, too.
  const message = printable(said.replaceAll(/\s*\n\s*/g, " "));
  if (process.env.VIV_DEBUG === "1" && error instanceof Error) stderr.line(error.stack ?? "");
  stderr.line(known ? `viv: ${message}` : `viv: internal error: ${message}; VIV_DEBUG=1 shows where`);
  return known ? STATUS_BAD_INPUT : STATUS_INTERNAL_ERROR;
}
