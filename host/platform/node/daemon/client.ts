import { WebSocket } from "ws";
import type { ConnectionRequest } from "../../../control/cli/daemon-action.js";
import type { ActionInput, ActionName, ActionOutput, HypervisorAction } from "../../../control/hypervisor/actions.js";
import { ACTIONS } from "../../../control/hypervisor/actions.js";
import { restRequest } from "../../../control/hypervisor/rest.js";
import type { OperationView } from "../../../control/hypervisor/schemas.js";
import { BEARER_PROTOCOL, WEBSOCKET_PROTOCOL } from "../../../control/hypervisor/socket-messages.js";
import { type ErrorData, VivariumError } from "../../../util/errors.js";
import { dataDirectory, readDiscovery } from "./discovery.js";

/** How long the daemon holds a question about an operation back, so that progress is shown meanwhile. */
const PROGRESS_MS = 1000;
const MESSAGE_BYTE_LENGTH_MAX = 64 * 1024 * 1024;

const REMEDIES: readonly (readonly [reason: RegExp, remedy: string])[] = [
  [/^ECONNREFUSED$/, '; "viv serve" starts a daemon'],
  [/CERT|SIGNATURE/, "; NODE_EXTRA_CA_CERTS=cert.pem trusts its certificate"],
];

export interface RequestOptions {
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly signal?: AbortSignal;
}

/** A daemon, as a program speaks to it. */
export class DaemonClient {
  /** Without a slash at its end. */
  readonly url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.url = url;
    this.#token = token;
  }

  /**
   * The daemon that was asked for: by its address, or this user's.
   *
   * @throws VivariumError `daemon/absent`, `option/invalid`
   */
  static find(request: ConnectionRequest, environment: NodeJS.ProcessEnv = process.env): DaemonClient {
    const host = request.host ?? nonEmpty(environment.VIV_HOST);
    const token = request.token ?? nonEmpty(environment.VIV_TOKEN);
    const directory = dataDirectory(environment);
    const found = readDiscovery(directory);
    if (host === undefined) {
      if (found !== null) return new DaemonClient(found.url, token ?? found.token);
      throw new VivariumError("daemon/absent", `no daemon is running; "viv serve" starts one`, { directory });
    }
    const url = readAddress(host);
    if (token !== undefined) return new DaemonClient(url, token);
    if (found?.url === url) return new DaemonClient(url, found.token);
    throw new VivariumError("option/invalid", `there is no token for ${url}; expected VIV_TOKEN or --token`);
  }

  /** Does what is asked for, to its end. @throws VivariumError as the daemon, and `daemon/unreachable` */
  async perform<A extends ActionName>(
    request: { readonly action: A } & ActionInput<A>,
    onProgress: (view: OperationView) => void = () => {},
  ): Promise<ActionOutput<A>> {
    const { action, ...input } = request;
    const isOperation = ACTIONS[action].kind === "operation";
    const query: Record<string, string> = isOperation ? { waitMs: String(PROGRESS_MS) } : {};
    const { method, target, body } = restRequest(action, input as unknown as ActionInput<A>, query);
    const answer = await this.json(target, {
      method,
      ...(body === null ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
    });
    if (!isOperation) return answer as ActionOutput<A>;
    return (await this.ended(answer as OperationView, onProgress)) as ActionOutput<A>;
  }

  /** What an operation gives when it has ended. @throws VivariumError what it failed by */
  async ended(begun: OperationView, onProgress: (view: OperationView) => void = () => {}): Promise<unknown> {
    let view = begun;
    while (view.status === "running") {
      onProgress(view);
      view = await this.perform({ action: "operation.get", operation: view.id, waitMs: PROGRESS_MS });
    }
    if (view.error !== undefined) throw new VivariumError(view.error.code, view.error.message);
    return view.result;
  }

  /** The answer's body; null without one. @throws VivariumError */
  async json(target: string, options: RequestOptions): Promise<unknown> {
    const response = await this.request(target, options);
    const text = await response.text();
    return text === "" ? null : JSON.parse(text);
  }

  /** @throws VivariumError when there is no answer, or a refusal */
  async request(target: string, { headers, body, ...options }: RequestOptions): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(`${this.url}${target}`, {
        ...options,
        ...(body === undefined ? {} : { body }),
        headers: { ...headers, Authorization: `Bearer ${this.#token}` },
        redirect: "error",
      });
    } catch (error) {
      throw this.#unreachable(error);
    }
    if (response.ok) return response;
    throw await refusalOf(response);
  }

  /** A WebSocket that is open, and paused until who has it listens. @throws VivariumError */
  async socket(target: string): Promise<WebSocket> {
    const protocols = [WEBSOCKET_PROTOCOL, `${BEARER_PROTOCOL}${this.#token}`];
    const socket = new WebSocket(`${this.url.replace(/^http/, "ws")}${target}`, protocols, {
      perMessageDeflate: false,
      maxPayload: MESSAGE_BYTE_LENGTH_MAX,
    });
    await new Promise<void>((resolve, reject) => {
      socket.once("open", () => {
        socket.pause();
        resolve();
      });
      socket.once("error", (error) => reject(this.#unreachable(error)));
      socket.once("unexpected-response", (_, response) => {
        const pieces: Uint8Array[] = [];
        response.on("data", (piece: Uint8Array) => pieces.push(piece));
        response.on("end", () => reject(refusalIn(Buffer.concat(pieces).toString("utf8"), response.statusCode ?? 0)));
      });
    });
    return socket;
  }

  #unreachable(error: unknown): unknown {
    const { cause, code } = error as { readonly cause?: unknown; readonly code?: string };
    const reason = (cause as NodeJS.ErrnoException | undefined)?.code ?? code;
    if (reason === undefined && !(error instanceof TypeError)) return error;
    const remedy = REMEDIES.find(([pattern]) => pattern.test(reason ?? ""))?.[1] ?? "";
    const message = `the daemon at ${this.url} does not answer (${reason ?? "no reason given"})${remedy}`;
    return new VivariumError("daemon/unreachable", message, { url: this.url });
  }
}

/** Any request of the table by its name. @throws VivariumError `option/invalid` */
export function requestNamed(name: string, inputText: string): HypervisorAction {
  if (!Object.hasOwn(ACTIONS, name)) {
    const message = `${JSON.stringify(name)} is no action; expected ${Object.keys(ACTIONS).join(", ")}`;
    throw new VivariumError("option/invalid", message);
  }
  let input: unknown;
  try {
    input = JSON.parse(inputText);
  } catch {
    input = null;
  }
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    throw new VivariumError(
      "option/invalid",
      `${JSON.stringify(inputText)} is no JSON object; expected such as '{"machine":"web"}'`,
    );
  }
  // The daemon checks the rest.
  return { ...input, action: name } as HypervisorAction;
}

async function refusalOf(response: Response): Promise<VivariumError> {
  return refusalIn(await response.text(), response.status);
}

function refusalIn(text: string, status: number): VivariumError {
  try {
    const { error } = JSON.parse(text) as { error: { code: string; message: string; data?: ErrorData } };
    return new VivariumError(error.code, error.message, error.data ?? {});
  } catch {
    return new VivariumError("daemon/answer", `what answers is no daemon of Vivarium (status ${status})`);
  }
}

/** An address without its slash; without a scheme it is http for this host, else https. */
function readAddress(text: string): string {
  const isLocal = /^(localhost|127\.|\[::1\])/.test(text);
  const whole = /^https?:\/\//.test(text) ? text : `${isLocal ? "http" : "https"}://${text}`;
  try {
    const url = new URL(whole);
    if (url.pathname === "/" && url.search === "" && url.hash === "") return url.origin;
  } catch {
    // Said below.
  }
  throw new VivariumError(
    "option/invalid",
    `--host: ${JSON.stringify(text)} is no address; expected such as 127.0.0.1:8440`,
  );
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
