/**
 * How other programs of the same user reach a machine that has its file open: a Unix socket beside the file,
 * `lab.viv.control`. A request is one line of JSON, and so is its answer.
 */
import { chmodSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { type PackedError, packError, unpackError } from "../../../api/messages.js";
import type { MachineFileAction } from "../../../control/actions.js";
import { VivariumError } from "../../../util/errors.js";

/** What can be asked of a machine that runs. */
export type ControlRequest =
  | Pick<Extract<MachineFileAction, { action: "snapshot" }>, "action" | "name">
  | Pick<Extract<MachineFileAction, { action: "delete-snapshots" }>, "action" | "names">
  | Pick<Extract<MachineFileAction, { action: "restore" }>, "action" | "name">
  /** Copies the file, with the machine as it is now, to each of these paths. */
  | { readonly action: "fork"; readonly targets: readonly string[] }
  | { readonly action: "inspect" };

type Answer = { readonly value: unknown } | { readonly error: PackedError };

const REQUEST_BYTE_LENGTH_MAX = 65_536;
const CONNECTIONS_MAX = 16;
/** Others may neither connect nor see more than the name. */
const MODE = 0o600;
const MODE_MASK = 0o177;
/** Longer paths cannot be bound to: unix(7). */
const PATH_BYTE_LENGTH_MAX = 107;

/** @param file absolute */
function socketPath(file: string): string {
  return `${file}.control`;
}

/** The machine's end. */
export class ControlSocket {
  readonly #server: Server;
  readonly #path: string;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, path: string) {
    this.#server = server;
    this.#path = path;
  }

  /**
   * Serves a machine whose file this program has locked. Null where there can be no such socket: the machine is then as
   * before, but cannot be reached.
   *
   * @param file absolute
   */
  static async open(file: string, serve: (request: ControlRequest) => Promise<unknown>): Promise<ControlSocket | null> {
    const path = socketPath(file);
    if (Buffer.byteLength(path) > PATH_BYTE_LENGTH_MAX) return null;
    // What a program has left that was killed.
    rmSync(path, { force: true });
    const server = createServer();
    server.maxConnections = CONNECTIONS_MAX;
    const control = new ControlSocket(server, path);
    server.on("connection", (socket) => control.#connected(socket, serve));
    const isListening = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      const mask = process.umask(MODE_MASK);
      server.listen(path, () => resolve(true));
      process.umask(mask);
    });
    if (!isListening) return null;
    chmodSync(path, MODE);
    server.unref();
    return control;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    rmSync(this.#path, { force: true });
  }

  #connected(socket: Socket, serve: (request: ControlRequest) => Promise<unknown>): void {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
    readLine(socket, REQUEST_BYTE_LENGTH_MAX)
      .then(async (line) => serve(checkRequest(JSON.parse(line))))
      .then(
        (value): Answer => ({ value: value ?? null }),
        (error: unknown): Answer => ({ error: packError(error) }),
      )
      .then((answer) => socket.end(`${JSON.stringify(answer)}\n`));
  }
}

/**
 * Asks the machine that has a file open.
 *
 * @param file absolute
 * @param otherwise what is thrown when there is no such machine to ask
 * @throws VivariumError what the machine has against it
 */
export async function askMachine(file: string, request: ControlRequest, otherwise: unknown): Promise<unknown> {
  const socket = connect(socketPath(file));
  const line = await new Promise<string>((resolve, reject) => {
    socket.once("connect", () => {
      socket.write(`${JSON.stringify(request)}\n`);
      readLine(socket, Number.POSITIVE_INFINITY).then(resolve, reject);
    });
    socket.once("error", reject);
  }).catch(() => {
    throw otherwise;
  });
  socket.destroy();
  const answer = JSON.parse(line) as Answer;
  if ("error" in answer) throw unpackError(answer.error);
  return answer.value;
}

function readLine(socket: Socket, byteLengthMax: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let byteLength = 0;
    socket.on("data", (bytes: Buffer) => {
      parts.push(bytes);
      byteLength += bytes.length;
      if (byteLength > byteLengthMax) reject(badRequest("a request that is too long"));
      else if (bytes.includes("\n")) resolve(Buffer.concat(parts).toString("utf8").split("\n")[0]!);
    });
    socket.on("end", () => reject(badRequest("no request")));
    socket.on("close", () => reject(badRequest("no request")));
  });
}

function checkRequest(request: unknown): ControlRequest {
  const { action, name, names, targets } = Object(request) as Record<string, unknown>;
  const isText = (value: unknown): value is string => typeof value === "string";
  const areTexts = (values: unknown): values is string[] => Array.isArray(values) && values.every(isText);
  switch (action) {
    case "snapshot":
    case "restore":
      if (isText(name)) return { action, name };
      break;
    case "delete-snapshots":
      if (areTexts(names)) return { action, names };
      break;
    case "fork":
      if (areTexts(targets)) return { action, targets };
      break;
    case "inspect":
      return { action };
  }
  throw badRequest("an unknown request");
}

function badRequest(what: string): VivariumError {
  return new VivariumError("control/request", `the machine was asked ${what}`);
}
