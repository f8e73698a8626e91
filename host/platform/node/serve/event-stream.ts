import type { FastifyInstance, FastifyReply } from "fastify";
import Type from "typebox";
import { STREAMS } from "../../../control/hypervisor/actions.js";
import type { HypervisorEvent } from "../../../control/hypervisor/schemas.js";
import type { HypervisorService } from "../../../control/hypervisor/service.js";
import { VivariumError } from "../../../util/errors.js";
import type { Tokens } from "./tokens.js";

const STREAMS_MAX = 200;
/** Keeps what is between from closing a connection that says nothing. */
const HEARTBEAT_MS = 15_000;
/** A reader that is so far behind is let go; it comes again with the id of what it had. */
const BEHIND_BYTE_LENGTH = 1024 * 1024;
const REPLAY_MAX = 1000;

/** The open event streams, each a response of server-sent events (HTML standard, "Server-sent events"). */
export class EventStreams {
  readonly #service: HypervisorService;
  readonly #tokens: Tokens;
  readonly #open = new Set<() => void>();

  constructor(service: HypervisorService, tokens: Tokens) {
    this.#service = service;
    this.#tokens = tokens;
  }

  route(app: FastifyInstance): void {
    app.get<{ Querystring: { after?: number } }>("/v1/events/stream", {
      config: { role: STREAMS["event.stream"].role, action: "event.stream" },
      schema: {
        operationId: "event.stream",
        summary: "Events as they happen: server-sent events, whose data is an event as JSON",
        description: "Role: viewer. Goes on after the Last-Event-ID header, or after the id in the query.",
        tags: ["event"],
        produces: ["text/event-stream"],
        querystring: Type.Object(
          { after: Type.Optional(Type.Integer({ minimum: 0 })) },
          { additionalProperties: false },
        ),
        response: { 200: Type.String({ description: "text/event-stream" }) },
      },
      handler: async (request, reply) => {
        const header = request.headers["last-event-id"];
        const last = typeof header === "string" && /^\d{1,15}$/.test(header) ? Number(header) : request.query.after;
        await this.#serve(reply, request.principal!.tokenId, last);
      },
    });
  }

  close(): void {
    for (const end of [...this.#open]) end();
  }

  async #serve(reply: FastifyReply, tokenId: string, after: number | undefined): Promise<void> {
    if (this.#open.size >= STREAMS_MAX) {
      throw new VivariumError("event/too-many", `${STREAMS_MAX} event streams are open; expected some to be closed`);
    }
    // What happens while the past is looked up comes after it.
    const waiting: HypervisorEvent[] = [];
    let deliver = (event: HypervisorEvent): void => void waiting.push(event);
    const unsubscribe = this.#service.onEvent((event) => deliver(event));
    let past: readonly HypervisorEvent[];
    try {
      past = after === undefined ? [] : await this.#past(after);
    } catch (error) {
      unsubscribe();
      throw error;
    }
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, {
      ...reply.getHeaders(),
      "Content-Type": "text/event-stream; charset=utf-8",
      "Cache-Control": "no-store",
    } as Record<string, string>);
    const heartbeat = setInterval(() => raw.write(":\n\n"), HEARTBEAT_MS);
    const end = () => {
      unsubscribe();
      forget();
      clearInterval(heartbeat);
      this.#open.delete(end);
      raw.destroy();
    };
    const forget = this.#tokens.onEnd(tokenId, end);
    this.#open.add(end);
    raw.on("close", end);
    // Not `after`: of a daemon that has begun anew, a client may have seen more than there is.
    let lastId = -1;
    deliver = (event) => {
      if (event.id <= lastId) return;
      lastId = event.id;
      raw.write(`id: ${event.id}\ndata: ${JSON.stringify(event)}\n\n`);
      if (raw.writableLength > BEHIND_BYTE_LENGTH) end();
    };
    raw.write("retry: 1000\n\n");
    for (const event of [...past, ...waiting]) deliver(event);
  }

  #past(after: number): Promise<readonly HypervisorEvent[]> {
    return this.#service.perform("event.list", { after, last: REPLAY_MAX }, { principal: "local" });
  }
}
