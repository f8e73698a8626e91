import type { FastifyInstance, FastifyRequest } from "fastify";
import Type, { type Static } from "typebox";
import type { RawData, WebSocket } from "ws";
import { STREAMS } from "../../../control/hypervisor/actions.js";
import { Name } from "../../../control/hypervisor/schemas.js";
import type { HypervisorService, SpawnOutput, SpawnSession } from "../../../control/hypervisor/service.js";
import { STREAM_STDERR, STREAM_STDOUT } from "../../../control/hypervisor/socket-messages.js";
import { VivariumError } from "../../../util/errors.js";
import { keepAlive } from "../keep-alive.js";
import type { AuditLog } from "./audit-log.js";
import { failureOf } from "./failure.js";
import type { Principal } from "./principal.js";

import type { Tokens } from "./tokens.js";
import { checked, compileCheck } from "./validation.js";

const STRICT = { additionalProperties: false } as const;
const Terminal = {
  columns: Type.Integer({ minimum: 1, maximum: 1000 }),
  rows: Type.Integer({ minimum: 1, maximum: 1000 }),
};
/** As the names in terminfo are. */
const TerminalType = Type.Optional(Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9+._-]{0,63}$" }));
const Resize = Type.Object({ type: Type.Literal("resize"), ...Terminal }, STRICT);
const Start = Type.Object(
  {
    type: Type.Literal("start"),
    command: Type.Union([
      Type.String({ minLength: 1, maxLength: 131_072 }),
      Type.Array(Type.String({ maxLength: 131_072 }), { minItems: 1, maxItems: 4096 }),
    ]),
    terminal: Type.Union([Type.Object({ ...Terminal, type: TerminalType }, STRICT), Type.Null()]),
  },
  STRICT,
);
const Command = Type.Union([
  Resize,
  Type.Object({ type: Type.Literal("end-input") }, STRICT),
  Type.Object({ type: Type.Literal("kill"), signal: Type.String({ pattern: "^SIG[A-Z0-9]{1,12}$" }) }, STRICT),
]);
const checkResize = compileCheck(Resize, "body");
const checkStart = compileCheck(Start, "body");
const checkCommand = compileCheck(Command, "body");

const SOCKETS_MAX = 500;
/** Bytes that may wait for a slow reader before the guest is held back. */
const CONGESTION_BYTE_LENGTH = 1024 * 1024;
const DRAIN_POLL_MS = 10;
/** Close codes of our own are 4000 to 4999: RFC 6455, section 7.4.2. */
const CLOSE_NORMAL = 1000;
const CLOSE_GOING_AWAY = 1001;
const CLOSE_REFUSED = 4400;
const CLOSE_TOKEN_ENDED = 4401;

interface SocketParts {
  readonly service: HypervisorService;
  readonly tokens: Tokens;
  readonly audit: AuditLog;
}

/** What a client sends, in order: bytes, or a message. */
interface Receiver {
  bytes(bytes: Uint8Array): void | Promise<void>;
  message(message: unknown): void | Promise<void>;
  closed(): void;
}

/** Consoles and commands over WebSocket: bytes are binary messages, everything else is JSON. */
export class Sockets {
  readonly #parts: SocketParts;
  readonly #open = new Set<WebSocket>();

  constructor(parts: SocketParts) {
    this.#parts = parts;
  }

  route(app: FastifyInstance): void {
    const params = Type.Object({ machine: Name }, STRICT);
    const serve = (
      name: "machine.console" | "machine.spawn",
      open: (socket: WebSocket, machine: string, principal: Principal) => Promise<Receiver>,
    ) =>
      app.get<{ Params: { machine: string } }>(
        `/v1/machines/:machine/${name.split(".")[1]}`,
        { websocket: true, config: { role: STREAMS[name].role, action: name, isSocket: true }, schema: { params } },
        (socket, request) => this.#accept(socket, request, name, open),
      );
    serve("machine.console", (socket, machine) => this.#console(socket, machine));
    serve("machine.spawn", (socket, machine) => this.#spawn(socket, machine));
  }

  close(): void {
    for (const socket of this.#open) socket.close(CLOSE_GOING_AWAY, "the daemon ends");
  }

  #accept(
    socket: WebSocket,
    request: FastifyRequest<{ Params: { machine: string } }>,
    action: string,
    open: (socket: WebSocket, machine: string, principal: Principal) => Promise<Receiver>,
  ): void {
    const principal = request.principal!;
    const { machine } = request.params;
    const { audit, tokens } = this.#parts;
    if (this.#open.size >= SOCKETS_MAX) {
      refuse(
        socket,
        new VivariumError("socket/too-many", `${SOCKETS_MAX} sockets are open; expected some to be closed`),
      );
      return;
    }
    this.#open.add(socket);
    const forget = tokens.onEnd(principal.tokenId, () => {
      socket.close(CLOSE_TOKEN_ENDED, "the token has ended");
      socket.resume();
    });
    keepAlive(socket);
    socket.on("close", () => {
      this.#open.delete(socket);
      forget();
    });
    const note = (outcome: "done" | "failed", message: string) =>
      audit.add({ principal: principal.label, action, machine, outcome, message });
    const receiver = open(socket, machine, principal).then(
      (opened) => {
        note("done", "");
        return opened;
      },
      (error: unknown) => {
        note("failed", failureOf(error).message);
        throw error;
      },
    );
    receive(socket, receiver, (error) => {
      if (failureOf(error).status === 500) request.log.error(error);
    });
  }

  async #console(socket: WebSocket, machine: string): Promise<Receiver> {
    const session = await this.#parts.service.openConsole(
      machine,
      (bytes) => send(socket, bytes),
      (reason) => {
        say(socket, { type: "ended", reason });
        socket.close(CLOSE_NORMAL);
      },
    );
    return {
      bytes: (bytes) => session.type(bytes),
      message: (message) => {
        const { columns, rows } = checked<Static<typeof Resize>>(checkResize, message);
        session.resize(columns, rows);
      },
      closed: () => session.close(),
    };
  }

  async #spawn(socket: WebSocket, machine: string): Promise<Receiver> {
    let session: SpawnSession | null = null;
    // A machine that there is not is refused before anything is said.
    await this.#parts.service.perform("machine.get", { machine }, { principal: "local" });
    const started = (): SpawnSession => {
      if (session !== null) return session;
      throw new VivariumError("request/invalid", 'the first message is {"type":"start"}');
    };
    return {
      bytes: (bytes) => started().write(bytes),
      message: async (message) => {
        if (session === null) {
          const { command, terminal } = checked<Static<typeof Start>>(checkStart, message);
          session = await this.#parts.service.spawn(machine, command, { terminal }, outputTo(socket));
          say(socket, { type: "started" });
          return;
        }
        const command = checked<Static<typeof Command>>(checkCommand, message);
        switch (command.type) {
          case "resize":
            return session.resize(command.columns, command.rows);
          case "kill":
            return session.kill(command.signal);
          case "end-input":
            return session.write(null);
        }
      },
      closed: () => session?.close(),
    };
  }
}

function outputTo(socket: WebSocket): SpawnOutput {
  const stream = (number: number) => (bytes: Uint8Array) => send(socket, Uint8Array.of(number), bytes);
  return {
    stdout: stream(STREAM_STDOUT),
    stderr: stream(STREAM_STDERR),
    ended: ({ exitCode, signal }) => {
      say(socket, { type: "exit", exitCode, signal });
      socket.close(CLOSE_NORMAL);
    },
    failed: (error) => refuse(socket, error),
  };
}

/** Hands over what comes, one after the other, and reads no further while something is not taken. */
function receive(socket: WebSocket, opening: Promise<Receiver>, onFailure: (error: unknown) => void): void {
  let isClosed = false;
  let last: Promise<void> = opening.then(() => {});
  const next = (work: () => void | Promise<void>) => {
    socket.pause();
    last = last.then(work).then(() => socket.resume());
    last.catch((error: unknown) => {
      onFailure(error);
      refuse(socket, error);
    });
  };
  socket.on("message", (data, isBinary) => {
    const bytes = bytesOf(data);
    next(async () => {
      const receiver = await opening;
      if (isClosed) return;
      await (isBinary ? receiver.bytes(bytes) : receiver.message(parse(bytes)));
    });
  });
  socket.on("close", () => {
    isClosed = true;
    opening.then((receiver) => receiver.closed()).catch(() => {});
  });
  last.catch((error: unknown) => {
    onFailure(error);
    refuse(socket, error);
  });
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    throw new VivariumError("request/invalid", "a text message is no JSON");
  }
}

function bytesOf(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}

/** Sends bytes as one message. Resolves when there is room for more; at once when nobody listens any more. */
function send(socket: WebSocket, ...parts: readonly Uint8Array[]): void | Promise<void> {
  if (socket.readyState !== socket.OPEN) return;
  // A copy: it may be guest memory, which changes before it is sent.
  socket.send(Buffer.concat(parts), { binary: true });
  if (socket.bufferedAmount < CONGESTION_BYTE_LENGTH) return;
  return new Promise((resolve) => {
    const look = () => {
      if (socket.readyState === socket.OPEN && socket.bufferedAmount >= CONGESTION_BYTE_LENGTH) return;
      clearInterval(timer);
      resolve();
    };
    const timer = setInterval(look, DRAIN_POLL_MS);
  });
}

function say(socket: WebSocket, message: object): void {
  if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message));
}

function refuse(socket: WebSocket, error: unknown): void {
  const { code, message, data } = failureOf(error);
  say(socket, { type: "error", error: { code, message, data } });
  socket.close(CLOSE_REFUSED, code);
  // The client's answer to the close has to be read.
  socket.resume();
}
