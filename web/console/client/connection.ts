/** The hypervisor behind REST, as the action table has it. */
import {
  ACTIONS,
  type ActionInput,
  type ActionName,
  type ActionOutput,
} from "../../../host/control/hypervisor/actions.js";
import { restRequest } from "../../../host/control/hypervisor/rest.js";
import type { OperationView } from "../../../host/control/hypervisor/schemas.js";
import { BEARER_PROTOCOL, WEBSOCKET_PROTOCOL } from "../../../host/control/hypervisor/socket-messages.js";

/** What the daemon says against a request, or why there is no answer. */
export class RequestError extends Error {
  /** For programs: `machine/unknown`; `connection/lost` when nobody answered. */
  readonly code: string;
  /** HTTP's; 0 without an answer. */
  readonly status: number;

  constructor(code: string, message: string, status: number) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** Told how far an operation is: 0 to 1, or null while nobody can say. */
export type OnProgress = (progress: number | null, message: string) => void;

/** As long as the daemon lets a question about an operation wait. */
const WAIT_MS = 20_000;
const WATCHED_WAIT_MS = 500;

export class Connection {
  /** Of the daemon: `https://host:port`. */
  readonly origin: string;
  readonly token: string;

  constructor(origin: string, token: string) {
    this.origin = origin;
    this.token = token;
  }

  /**
   * Does an action to its end.
   *
   * @throws RequestError
   */
  async perform<A extends ActionName>(
    action: A,
    input: ActionInput<A>,
    onProgress?: OnProgress,
  ): Promise<ActionOutput<A>> {
    const { method, target, body } = restRequest(action, input);
    const answer = await this.request(method, target, body === null ? {} : { body: JSON.stringify(body) });
    const value: unknown = answer.status === 204 ? null : await answer.json();
    if (ACTIONS[action].kind === "now") return value as ActionOutput<A>;
    return (await this.follow(value as OperationView, onProgress)) as ActionOutput<A>;
  }

  /**
   * Waits until an operation has ended.
   *
   * @returns its result
   * @throws RequestError why it failed
   */
  async follow(begun: OperationView, onProgress?: OnProgress): Promise<unknown> {
    let operation = begun;
    while (operation.status === "running") {
      onProgress?.(operation.progress, operation.message);
      // Whoever looks at progress sees it move; whoever does not need not be told soon.
      const waitMs = onProgress === undefined ? WAIT_MS : WATCHED_WAIT_MS;
      operation = await this.perform("operation.get", { operation: operation.id, waitMs });
    }
    if (operation.status === "succeeded") return operation.result ?? null;
    const { code, message } = operation.error ?? { code: "operation/failed", message: operation.message };
    throw new RequestError(code, message, 200);
  }

  /** @throws RequestError */
  async request(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set("Authorization", `Bearer ${this.token}`);
    if (typeof init.body === "string") headers.set("Content-Type", "application/json");
    let answer: Response;
    try {
      answer = await fetch(this.origin + path, { ...init, method, headers, cache: "no-store", credentials: "omit" });
    } catch (error) {
      if (init.signal?.aborted === true) throw error;
      throw new RequestError("connection/lost", "The hypervisor does not answer.", 0);
    }
    if (answer.ok) return answer;
    throw await refusalOf(answer);
  }

  /** A WebSocket that has said who asks: its second subprotocol is the token, which no log has. */
  socket(path: string): WebSocket {
    const socket = new WebSocket(this.origin.replace(/^http/, "ws") + path, [
      WEBSOCKET_PROTOCOL,
      BEARER_PROTOCOL + this.token,
    ]);
    socket.binaryType = "arraybuffer";
    return socket;
  }
}

async function refusalOf(answer: Response): Promise<RequestError> {
  const fallback = { code: `http/${answer.status}`, message: `${answer.status} ${answer.statusText}` };
  const body: unknown = await answer.json().catch(() => null);
  const error = (body as { error?: { code?: unknown; message?: unknown } } | null)?.error;
  return new RequestError(
    typeof error?.code === "string" ? error.code : fallback.code,
    typeof error?.message === "string" ? error.message : fallback.message,
    answer.status,
  );
}
