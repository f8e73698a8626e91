/** Real workers that end, or do not answer any more, when a test wants it. */
import type { WorkerChannel } from "../../host/api/platform.js";
import type { Envelope } from "../../host/hypervisor/messages.js";
import { TurnNote } from "../../host/hypervisor/turn-note.js";
import { NodeHypervisorPlatform } from "../../host/platform/node/hypervisor/node-hypervisor-platform.js";

interface FragileWorker {
  crash(): void;
  crashInLongestTurn(): void;
  fallSilent(): void;
  /** Whatever it says from now on comes so much later. */
  slowDown(delayMs: number): void;
}

/** A platform whose workers can be broken. */
export class FragilePlatform extends NodeHypervisorPlatform {
  readonly workers: FragileWorker[] = [];

  override startHost(): WorkerChannel {
    const channel = super.startHost();
    let isSilent = false;
    let lateMs = 0;
    let onFailure: (error: Error) => void = () => {};
    let turns: TurnNote | null = null;
    const crash = () => {
      channel.terminate();
      onFailure(new Error("out of memory"));
    };
    this.workers.push({
      crash,
      crashInLongestTurn: () => {
        awaitLongestTurn(turns!);
        crash();
      },
      fallSilent: () => {
        isSilent = true;
      },
      slowDown: (delayMs) => {
        lateMs = delayMs;
      },
    });
    return {
      post: (message, transfer) => {
        const { argument } = (message as { readonly message: { readonly argument?: unknown } }).message;
        if (argument instanceof SharedArrayBuffer) turns = new TurnNote(argument);
        channel.post(message, transfer);
      },
      onMessage: (receive) =>
        channel.onMessage((message) => {
          if (isSilent) return;
          if (lateMs > 0) setTimeout(receive, lateMs, message as Envelope);
          else receive(message as Envelope);
        }),
      onFailure: (callback) => {
        onFailure = callback;
        channel.onFailure(callback);
      },
      terminate: () => channel.terminate(),
    };
  }
}

const TURNS_WATCHED_MS = 300;
const TURN_AWAITED_MS = 3000;

/** Blocks this thread until the machine that has had most of the time begins another turn. */
function awaitLongestTurn(turns: TurnNote): void {
  const looks = new Map<number, number>();
  const endMs = performance.now() + TURNS_WATCHED_MS;
  while (performance.now() < endMs) {
    const { lane } = turns;
    if (lane !== null) looks.set(lane, (looks.get(lane) ?? 0) + 1);
  }
  const busiest = [...looks].sort(([, few], [, many]) => many - few)[0]![0];
  const isBy = (ms: number) => performance.now() > endMs + ms;
  while (turns.lane === busiest && !isBy(TURN_AWAITED_MS)) {}
  while (turns.lane !== busiest && !isBy(2 * TURN_AWAITED_MS)) {}
}
