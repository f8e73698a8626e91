import { SIGPIPE } from "../../control/guest-end.js";
import { GuestRun, type RunnableGuest, type RunResult, type Session } from "../../control/guest-run.js";
import type { HostServices } from "../../machine/host-services.js";
import { NodeHostServices } from "./host-services.js";
import { listenForEnd } from "./process-end.js";
import type { StandardStreams } from "./standard-streams.js";

/** Where the machines of a run come from. */
export interface MachineSource {
  /** Makes the next one, connected to the session. @throws VivariumError when no machine can be made */
  create(host: HostServices): Promise<RunnableGuest>;
  /** Whether the report has the state hash. */
  readonly hash: boolean;
  /** The guest has come up. */
  onReady?(): void;
}

/**
 * Runs the machines of a session, until it is over, the program is asked to end by a signal, or nobody reads its
 * output any more.
 *
 * @throws VivariumError when no machine can be made of the parts
 */
export async function runMachines(
  source: MachineSource,
  session: Session,
  { stdout, stderr }: StandardStreams,
): Promise<RunResult> {
  const host = new NodeHostServices(async () => {
    run.poll();
    // A guest that writes faster than somebody reads waits here, so that its output does not pile up.
    if (stdout.congested) await stdout.drained();
    if (stderr.congested) await stderr.drained();
  });
  const run = new GuestRun({
    create: () => source.create(host),
    session,
    hash: source.hash,
    onStop: () => {
      stdout.release();
      stderr.release();
    },
    monotonicMs: () => host.monotonicMs(),
    yieldToEvents: () => host.yieldToEvents(),
    onReady: () => source.onReady?.(),
  });
  stdout.onLost(() => run.end(SIGPIPE));
  const stopListening = listenForEnd((signal) => run.end(signal));
  try {
    return await run.untilEnd();
  } finally {
    stopListening();
  }
}
