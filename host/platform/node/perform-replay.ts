import type { ReplayAction } from "../../control/actions.js";
import { ConsoleTail } from "../../control/console-tail.js";
import { type ExitReport, STATUS_OK } from "../../control/guest-end.js";
import { type Replay, replay } from "../../snapshot/replay.js";
import { VivariumError } from "../../util/errors.js";
import { loadCoreModule } from "./core-module.js";
import { translationOf } from "./fresh-machine.js";
import { NodeHostServices } from "./host-services.js";
import { writtenBy } from "./keep.js";
import { POWER_ON } from "./kept-machine.js";
import {
  createMachineFile,
  inspectMachineFile,
  nameFile,
  type OpenMachineFile,
} from "./machine-file/open-machine-file.js";
import type { StandardStreams } from "./standard-streams.js";

/** The machine did not do again what it did. */
const STATUS_DIVERGED = 1;

/** Runs a recorded history again, and says how it ended. */
export async function performReplay(action: ReplayAction, streams: StandardStreams): Promise<ExitReport> {
  const opened = await inspectMachineFile(action.file);
  try {
    return await run(opened.file, action, streams);
  } catch (error) {
    const named = nameFile(action.file, error);
    if (!(named instanceof VivariumError) || named.code !== "replay/diverged") throw named;
    if (action.json) print(streams, { file: action.file, reason: "diverged", ...named.data, problem: named.message });
    return { status: STATUS_DIVERGED, message: named.message };
  } finally {
    await opened.close();
  }
}

async function run(file: OpenMachineFile["file"], action: ReplayAction, streams: StandardStreams): Promise<ExitReport> {
  const { stdout, stderr } = streams;
  const tail = new ConsoleTail();
  const host = new NodeHostServices(async () => {
    if (stdout.congested) await stdout.drained();
  });
  const startedMs = host.monotonicMs();
  const done = await replay(file, action, {
    ...translationOf(action, (text) => stderr.line(text)),
    core: await loadCoreModule(),
    host,
    serial: {
      write(bytes) {
        tail.write(bytes);
        if (!action.json) stdout.write(bytes);
      },
    },
  });
  if (action.save !== undefined) await save(file, action.save, done, tail.bytes());
  const report = reportOf(done);
  if (action.json) print(streams, { file: action.file, ...report, elapsedMs: host.monotonicMs() - startedMs });
  else stderr.line(`viv: ${sentence(report)}`);
  return { status: STATUS_OK };
}

function reportOf({ history, start, end }: Replay) {
  return {
    history: history.id,
    from: start.instructions.toString(),
    reason: end.reason,
    halt: end.halt?.kind ?? null,
    instructions: end.retired.toString(),
    stateHash: end.stateHash,
    /** Of the recorded machine at its end; null when that was not reached. */
    recordedStateHash: end.reason === "end" ? history.stateHash : null,
    checks: end.checkCount,
  };
}

function sentence({ reason, from, instructions, stateHash, checks, halt }: ReturnType<typeof reportOf>): string {
  const run = `instructions ${from} to ${instructions}, ${checks} ${checks === 1 ? "check" : "checks"}, state ${stateHash}`;
  switch (reason) {
    case "end":
      return `the same as it was (${halt}): ${run}`;
    case "until":
      return `stopped on the way: ${run}`;
    case "cut":
      return `the recording stops here, without an end: ${run}`;
  }
}

/** A machine file whose machine goes on where the replay stopped, and starts anew as the recorded one. */
async function save(file: OpenMachineFile["file"], path: string, { machine }: Replay, console: Uint8Array) {
  const opened = await createMachineFile(path, writtenBy());
  try {
    const powerOn = file.snapshots.find(({ name }) => name === POWER_ON);
    if (powerOn !== undefined) await opened.file.save(file.load(powerOn), { name: POWER_ON });
    await opened.file.save(await machine.capture(), { console });
    // What goes on there is another machine than the recorded one.
    await opened.file.renewIdentity();
    await opened.close();
  } catch (error) {
    await opened.remove();
    throw nameFile(path, error);
  }
}

function print({ stdout }: StandardStreams, value: object): void {
  stdout.write(Buffer.from(`${JSON.stringify(value, null, 2)}\n`));
}
