import { setTimeout as delay } from "node:timers/promises";
import { eventLine } from "../../../control/cli/answers.js";
import { type ExitReport, STATUS_OK, signalStatus } from "../../../control/guest-end.js";
import type { HypervisorEvent } from "../../../control/hypervisor/schemas.js";
import { listenForEnd } from "../process-end.js";
import type { StandardStreams } from "../standard-streams.js";
import type { DaemonClient } from "./client.js";

/** A connection that was lost is made again after this. */
const RETRY_MS = 1000;

/** Prints what a machine writes to its console, until somebody ends this program. */
export async function followLogs(
  client: DaemonClient,
  machine: string,
  { stdout }: StandardStreams,
): Promise<ExitReport> {
  const socket = await client.socket(`/v1/machines/${machine}/console`);
  return new Promise((resolve) => {
    const stopListening = listenForEnd((signal) => socket.close(1000, String(signal)));
    stdout.onLost(() => socket.close());
    socket.on("message", (data, isBinary) => {
      if (!isBinary) return;
      stdout.write(data as Uint8Array);
      if (!stdout.congested) return;
      socket.pause();
      void stdout.drained().then(() => socket.resume());
    });
    socket.on("error", () => {});
    socket.on("close", (code) => {
      stopListening();
      resolve(code === 1000 ? { status: STATUS_OK } : { status: STATUS_OK, message: "the console ended" });
    });
  });
}

/** Prints events as they happen, each once and in order, also across restarts of the daemon. */
export async function followEvents(
  client: DaemonClient,
  last: number,
  json: boolean,
  { stdout }: StandardStreams,
): Promise<ExitReport> {
  const controller = new AbortController();
  let status = STATUS_OK;
  const stopListening = listenForEnd((signal) => {
    status = signalStatus(signal);
    controller.abort();
  });
  stdout.onLost(() => controller.abort());
  const print = (event: HypervisorEvent) => stdout.line(json ? JSON.stringify(event) : eventLine(event));
  try {
    let lastId = 0;
    for (const event of await client.perform({ action: "event.list", last })) {
      print(event);
      lastId = event.id;
    }
    for await (const event of eventsAfter(client, lastId, controller.signal)) print(event);
  } catch (error) {
    if (!controller.signal.aborted) throw error;
  } finally {
    stopListening();
  }
  return { status };
}

/** Events from the one after `id` on, until the signal. The first connection has to be there, later ones are awaited. */
export async function* eventsAfter(
  client: DaemonClient,
  id: number,
  signal: AbortSignal,
): AsyncGenerator<HypervisorEvent, void, void> {
  let lastId = id;
  let isFirst = true;
  while (!signal.aborted) {
    try {
      const response = await client.request(`/v1/events/stream?after=${lastId}`, { method: "GET", signal });
      isFirst = false;
      for await (const event of parseEvents(response.body as unknown as AsyncIterable<Uint8Array>)) {
        lastId = event.id;
        yield event;
      }
    } catch (error) {
      if (isFirst || signal.aborted) throw error;
    }
    await delay(RETRY_MS, undefined, { signal });
  }
}

/** The data of server-sent events (HTML standard, 9.2.6), as far as this daemon sends them: one line of data each. */
async function* parseEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<HypervisorEvent, void, void> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of body) {
    text += decoder.decode(piece, { stream: true });
    const blocks = text.split("\n\n");
    text = blocks.pop()!;
    for (const block of blocks) {
      const data = block.split("\n").find((line) => line.startsWith("data: "));
      if (data !== undefined) yield JSON.parse(data.slice("data: ".length)) as HypervisorEvent;
    }
  }
}
