import type { ReadStream } from "node:tty";
import type { Action, ExecAction, RunAction } from "../../control/actions.js";
import { ConsoleSession } from "../../control/console-session.js";
import { type ExitReport, reportEnd } from "../../control/guest-end.js";
import { formatRunReport } from "../../control/run-report.js";
import { unreachable } from "../../util/errors.js";
import { MachineRun } from "./machine-run.js";
import { RawTerminal } from "./operator-terminal.js";
import type { Output } from "./output.js";

/** The streams the program was started with. */
export interface StandardStreams {
  readonly stdin: ReadStream;
  readonly stdout: Output;
  readonly stderr: Output;
}

/** Does what was asked for, and says how the program ends. */
export async function perform(action: Action, streams: StandardStreams): Promise<ExitReport> {
  switch (action.action) {
    case "run":
      return performRun(action, streams);
    case "exec":
      return performExec(action, streams);
    default:
      return unreachable(action);
  }
}

async function performRun(action: RunAction, streams: StandardStreams): Promise<ExitReport> {
  const { stdin, stdout, stderr } = streams;
  const run = await MachineRun.prepare(action.machine, streams);
  const operator = { screen: stdout, notice: (line: string) => stderr.line(line), interactive: stdin.isTTY };
  const session = new ConsoleSession(operator, () => run.noteReady());
  const terminal = stdin.isTTY ? new RawTerminal(stdin) : null;
  const disconnect = connectKeyboard(session, stdin);
  try {
    terminal?.enter();
    const end = await run.untilEnd(session);
    return reportEnd(end, false);
  } finally {
    disconnect();
    terminal?.restore();
    await run.close();
  }
}
