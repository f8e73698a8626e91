import type { HypervisorEvent } from "../../../host/control/hypervisor/schemas.js";
import { type Connection, RequestError } from "./connection.js";

const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 10_000;

export interface EventStreamListener {
  onEvent(event: HypervisorEvent): void;
  /** Whether the hypervisor answers; called when that changes. */
  onConnected(connected: boolean): void;
  /** The token is not, or no more, one that counts. */
  onRefused(): void;
}

/**
 * Follows the hypervisor's events, for ever: a connection that is lost is made again, and goes on where it was.
 *
 * By `fetch` rather than EventSource, which cannot say who asks.
 *
 * @returns a function that ends it
 */
export function followEvents(connection: Connection, listener: EventStreamListener): () => void {
  const abort = new AbortController();
  void follow(connection, listener, abort.signal);
  return () => abort.abort();
}

async function follow(connection: Connection, listener: EventStreamListener, signal: AbortSignal): Promise<void> {
  let lastId: string | null = null;
  let retryMs = RETRY_MS_MIN;
  while (!signal.aborted) {
    try {
      const headers: HeadersInit = lastId === null ? {} : { "Last-Event-ID": lastId };
      const answer = await connection.request("GET", "/v1/events/stream", { headers, signal });
      listener.onConnected(true);
      retryMs = RETRY_MS_MIN;
      for await (const { id, data } of messagesOf(answer.body!)) {
        if (id !== null) lastId = id;
        listener.onEvent(JSON.parse(data) as HypervisorEvent);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof RequestError && error.status === 401) return listener.onRefused();
    }
    listener.onConnected(false);
    await new Promise((resolve) => setTimeout(resolve, retryMs));
    retryMs = Math.min(2 * retryMs, RETRY_MS_MAX);
  }
}

interface Message {
  readonly id: string | null;
  readonly data: string;
}

/** Server-sent events (HTML standard, "Parsing an event stream"), as far as they carry data. */
export async function* messagesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Message> {
  const decoder = new TextDecoder();
  const reader = stream.getReader();
  let text = "";
  let id: string | null = null;
  let data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += decoder.decode(value, { stream: true });
      const lines = text.split(/\r\n|\n|\r(?!$)/);
      text = lines.pop()!;
      for (const line of lines) {
        if (line === "") {
          if (data.length > 0) yield { id, data: data.join("\n") };
          data = [];
          continue;
        }
        const [, field = "", content = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
        if (field === "data") data.push(content);
        else if (field === "id") id = content;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
