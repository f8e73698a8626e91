/** A daemon in this process, with a hypervisor that has no machines behind it, and a client without opinions. */
import { mkdtempSync, rmSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket } from "ws";
import type { Role } from "../../../host/control/hypervisor/schemas.js";
import { readServeOptions, type ServeOptions } from "../../../host/control/serve-options.js";
import { DEFAULT_LIMITS, type Limits } from "../../../host/platform/node/serve/app.js";
import { Daemon } from "../../../host/platform/node/serve/daemon.js";
import { FakeHypervisor } from "./fake-hypervisor.js";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: Buffer;
  /** Undefined for what is no JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: whatever a daemon under test answers
  readonly body: any;
}

export interface Asked {
  readonly token?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON unless it is text or bytes. */
  readonly body?: unknown;
}

export interface TestDaemonOptions extends ServeOptions {
  readonly limits?: Partial<Limits>;
  readonly directory?: string;
  readonly delayMs?: number;
  readonly consoleDirectory?: string;
}

/** Many more requests than anybody makes: what limits them has tests of its own. */
const UNLIMITED = 1_000_000;

export class TestDaemon {
  readonly service: FakeHypervisor;
  readonly daemon: Daemon;
  readonly directory: string;
  /** Of an admin. */
  readonly token: string;
  readonly log: string[];

  private constructor(daemon: Daemon, service: FakeHypervisor, directory: string, log: string[]) {
    this.daemon = daemon;
    this.service = service;
    this.directory = directory;
    this.log = log;
    this.token = daemon.consoleUrl?.split("#token=")[1] ?? "";
  }

  static async open({ limits, directory, delayMs, consoleDirectory, ...options }: TestDaemonOptions = {}) {
    const data = directory ?? mkdtempSync(join(tmpdir(), "viv-serve-"));
    const service = new FakeHypervisor(delayMs === undefined ? {} : { delayMs });
    const log: string[] = [];
    const daemon = await Daemon.open(
      {
        ...readServeOptions({ listen: "127.0.0.1:0", ...options }),
        data,
        standardDirectory: data,
        limits: { ...DEFAULT_LIMITS, requestsPerMinute: UNLIMITED, ...limits },
        log: (line) => log.push(line),
        ...(consoleDirectory === undefined ? {} : { consoleDirectory }),
      },
      async () => service,
    );
    return new TestDaemon(daemon, service, data, log);
  }

  get port(): number {
    return Number(new URL(this.daemon.url).port);
  }

  async close(): Promise<void> {
    await this.daemon.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Asks as an admin unless told otherwise; null asks without a token. */
  ask(method: string, path: string, { token = this.token, headers, body }: Asked = {}): Promise<Answer> {
    const isRaw = typeof body === "string" || body instanceof Uint8Array;
    const content = body === undefined ? undefined : isRaw ? body : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        {
          host: "127.0.0.1",
          port: this.port,
          method,
          path,
          agent: false,
          headers: {
            ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
            ...(content === undefined ? {} : { "Content-Type": "application/json" }),
            ...(content === undefined ? {} : { "Content-Length": Buffer.byteLength(content) }),
            ...headers,
          },
        },
        (response) => {
          const pieces: Buffer[] = [];
          response.on("data", (piece: Buffer) => pieces.push(piece));
          response.on("error", reject);
          response.on("end", () => {
            const bytes = Buffer.concat(pieces);
            resolve({ status: response.statusCode ?? 0, headers: response.headers, bytes, body: parsed(bytes) });
          });
        },
      );
      request.on("error", reject);
      request.end(content);
    });
  }

  /** The secret of a new token. */
  async tokenOf(role: Role, expiresInSeconds?: number): Promise<{ readonly id: string; readonly secret: string }> {
    const { body } = await this.ask("POST", "/v1/tokens", { body: { label: `a ${role}`, role, expiresInSeconds } });
    return { id: body.token.id, secret: body.secret };
  }

  async createMachine(name: string): Promise<void> {
    const { status } = await this.ask("POST", "/v1/machines?waitMs=10000", { body: { name } });
    if (status !== 200) throw new Error(`creating ${name} was answered with ${status}`);
  }

  /** A WebSocket, and all that came by it. */
  async socket(path: string, token: string = this.token, headers: Record<string, string> = {}): Promise<TestSocket> {
    const url = `ws://127.0.0.1:${this.port}${path}`;
    return TestSocket.open(new WebSocket(url, ["vivarium.v1", `bearer.${token}`], { headers }));
  }

  /** A connection on which anything can be sent. */
  raw(): Socket {
    return connect(this.port, "127.0.0.1");
  }
}

export class TestSocket {
  readonly socket: WebSocket;
  readonly binary: Buffer[] = [];
  // biome-ignore lint/suspicious/noExplicitAny: whatever a daemon under test says
  readonly messages: any[] = [];
  readonly closed: Promise<number>;
  #wake: () => void = () => {};

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data: Buffer, isBinary) => {
      if (isBinary) this.binary.push(data);
      else this.messages.push(JSON.parse(data.toString("utf8")));
      this.#wake();
    });
    this.closed = new Promise((resolve) =>
      socket.on("close", (code) => {
        resolve(code);
        this.#wake();
      }),
    );
  }

  /** @throws Error with the status when it is refused */
  static async open(socket: WebSocket): Promise<TestSocket> {
    const opened = new TestSocket(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    return opened;
  }

  get text(): string {
    return Buffer.concat(this.binary).toString("utf8");
  }

  /** Resolves when `holds` does; it is asked whenever something came. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.socket.readyState === this.socket.CLOSED) throw new Error("the socket was closed before it was so");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** Resolves when `holds` does. */
export async function eventually(holds: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`it was not so after ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}
