import { answerLines } from "../../../control/cli/answers.js";
import type { DaemonAction } from "../../../control/cli/daemon-action.js";
import { type ExitReport, STATUS_OK } from "../../../control/guest-end.js";
import type { HypervisorAction } from "../../../control/hypervisor/actions.js";
import type { OperationView } from "../../../control/hypervisor/schemas.js";
import { unreachable } from "../../../util/errors.js";
import type { StandardStreams } from "../standard-streams.js";
import { DaemonClient, requestNamed } from "./client.js";
import { attach, exec } from "./conversation.js";
import { followEvents, followLogs } from "./follow.js";
import { top } from "./top.js";
import { exportMachine, importMachine } from "./transfer.js";

/** Asks a daemon for what was asked for, and says what it answers. */
export async function performDaemon(action: DaemonAction, streams: StandardStreams): Promise<ExitReport> {
  const client = DaemonClient.find(action.connection);
  const { command, json } = action;
  switch (command.kind) {
    case "perform":
      await answer(client, command.request, json, streams);
      return { status: STATUS_OK };
    case "perform-each":
      for (const request of command.requests) await answer(client, request, json, streams);
      return { status: STATUS_OK };
    case "api":
      await answer(client, requestNamed(command.name, command.input), true, streams);
      return { status: STATUS_OK };
    case "attach":
      return attach(client, command.machine, streams);
    case "exec":
      return exec(client, command, streams);
    case "follow-logs":
      return followLogs(client, command.machine, streams);
    case "follow-events":
      return followEvents(client, command.last, json, streams);
    case "export":
      await exportMachine(client, command, streams);
      return { status: STATUS_OK };
    case "import": {
      const view = await importMachine(client, command, streams, progressOn(streams));
      print("machine.get", view, json, streams, () => [`${view.spec.name}: ${view.status}`]);
      return { status: STATUS_OK };
    }
    case "top":
      return top(client, command.intervalMs, json, streams);
    default:
      return unreachable(command);
  }
}

async function answer(
  client: DaemonClient,
  request: HypervisorAction,
  json: boolean,
  streams: StandardStreams,
): Promise<void> {
  const progress = progressOn(streams);
  try {
    const result = await client.perform(request, progress.report);
    progress.clear();
    print(request.action, result, json, streams);
    if (request.action === "token.create" && !json) {
      const { secret } = result as { secret: string };
      streams.stderr.line(`viv: console at ${client.url}/#token=${secret}`);
    }
  } finally {
    progress.clear();
  }
}

function print(
  action: HypervisorAction["action"],
  result: unknown,
  json: boolean,
  { stdout }: StandardStreams,
  lines = () => answerLines(action, result as never, Date.now()),
): void {
  if (json) stdout.line(JSON.stringify(result, null, 2));
  else for (const line of lines()) stdout.line(line);
}

export interface ProgressLine {
  report(view: OperationView): void;
  clear(): void;
}

/** How far an operation is, on one line of a terminal. */
function progressOn({ stderr }: StandardStreams): ProgressLine {
  let isShown = false;
  const show = (text: string) => stderr.write(Buffer.from(`\r\u001b[K${text}`));
  return {
    report({ message, progress }) {
      if (!stderr.isTerminal || (message === "" && progress === null)) return;
      isShown = true;
      show(`viv: ${message}${progress === null ? "" : ` ${Math.round(progress * 100)}%`}`);
    },
    clear() {
      if (isShown) show("");
      isShown = false;
    },
  };
}
