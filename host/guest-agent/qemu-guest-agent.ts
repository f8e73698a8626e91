/**
 * A client of QEMU's guest agent, `qemu-ga`, which full distributions have.
 *
 * It speaks JSON, a line a message, one request at a time: `{"execute": NAME, "arguments": {...}}` is answered by
 * `{"return": ...}` or `{"error": {"class": ..., "desc": ...}}`. A session begins with guest-sync-delimited, whose answer
 * has a byte 0xFF before it, which no JSON text has: what is older ends there.
 *
 * Source: QEMU Guest Agent Protocol Reference (qga/qapi-schema.json).
 */
import { fromBase64, toBase64 } from "../util/base64.js";
import { concatBytes, fromUtf8, utf8 } from "../util/bytes.js";
import { VivariumError } from "../util/errors.js";
import type { ExitStatus } from "./agent-process.js";

/** The port's name, by which both sides find it. */
export const QEMU_AGENT_PORT = "org.qemu.guest_agent.0";

const DELIMITER = 0xff;
const LINE_FEED = 0x0a;
/** qemu-ga captures at most 16 MiB of each output, which is a third longer as base64; and there are two. */
const ANSWER_MAX_BYTE_LENGTH = 48 * 1024 * 1024;
/** Of a file at a time: qemu-ga takes at most 48 MiB. */
const CHUNK_BYTE_LENGTH = 1024 * 1024;
const POLL_MS_MIN = 5;
const POLL_MS_MAX = 200;

/** A command that has ended. */
export interface QemuExec {
  readonly status: ExitStatus;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  /** Whether there was more output than qemu-ga keeps. */
  readonly isTruncated: boolean;
}

export interface QemuAgentWires {
  send(bytes: Uint8Array): void;
  /** Calls back once after `delayMs`. */
  schedule(callback: () => void, delayMs: number): void;
}

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };
type Answer = { readonly [name: string]: Json };

interface Pending {
  readonly request: Uint8Array;
  readonly resolve: (value: Json) => void;
  readonly reject: (error: VivariumError) => void;
}

/** Asks the guest by its qemu-ga. Nothing that it answers is trusted. */
export class QemuGuestAgent {
  readonly #wires: QemuAgentWires;
  /** "syncing" until the agent has answered the number that the session began with. */
  #session: "absent" | "syncing" | "open" = "absent";
  #syncId = 0;
  #received: Uint8Array[] = [];
  #receivedLength = 0;
  /** The first one has been sent if the session is open. */
  readonly #queue: Pending[] = [];

  constructor(wires: QemuAgentWires) {
    this.#wires = wires;
  }

  /** The agent has opened the port or closed it. */
  openChanged(open: boolean): void {
    this.#forget();
    if (!open) {
      if (this.#session === "open") this.#failFirst(lost());
      this.#session = "absent";
      return;
    }
    this.#session = "syncing";
    this.#syncId++;
    const sync = { execute: "guest-sync-delimited", arguments: { id: this.#syncId } };
    this.#wires.send(concatBytes([Uint8Array.of(DELIMITER), encode(sync)]));
  }

  receive(bytes: Uint8Array): void {
    if (this.#session === "absent") return;
    for (let start = 0; start < bytes.length; ) {
      const end = bytes.subarray(start).findIndex((byte) => byte === LINE_FEED || byte === DELIMITER);
      if (end < 0) {
        this.#gather(bytes.subarray(start));
        return;
      }
      this.#gather(bytes.subarray(start, start + end));
      const line = fromUtf8(concatBytes(this.#received));
      this.#forget();
      // What a delimiter follows is the rest of something older.
      if (bytes[start + end] === LINE_FEED && line !== "") this.#handle(line);
      start += end + 1;
    }
  }

  /** All that waits fails with this error. */
  failAll(error: VivariumError): void {
    for (const { reject } of this.#queue.splice(0)) reject(error);
  }

  /** Resolves when the agent answers. */
  async ping(): Promise<void> {
    await this.#call("guest-ping");
  }

  /**
   * Runs a program to its end.
   *
   * @param argv a name without a "/" is looked for in the agent's PATH
   * @param onStarted called with its pid
   * @throws VivariumError `exec/not-found`, `agent/refused`, `agent/lost`, `agent/protocol`
   */
  async exec(
    argv: readonly string[],
    environment: readonly string[],
    input: Uint8Array,
    onStarted: (pid: number) => void = () => {},
  ): Promise<QemuExec> {
    const [path, ...rest] = argv;
    if (path === undefined || path === "") throw new VivariumError("exec/arguments", "exec: no program is named");
    const started = await this.#call("guest-exec", {
      ...{ path, arg: rest, "capture-output": true, "input-data": toBase64(input) },
      ...(environment.length === 0 ? {} : { env: environment }),
    });
    const pid = numberOf(started, "pid");
    onStarted(pid);
    for (let delayMs = POLL_MS_MIN; ; delayMs = Math.min(2 * delayMs, POLL_MS_MAX)) {
      const answer = recordOf(await this.#call("guest-exec-status", { pid }));
      if (answer.exited === true) return execOf(answer);
      await new Promise<void>((resolve) => this.#wires.schedule(resolve, delayMs));
    }
  }

  /** @throws VivariumError `file/too-large`, `agent/refused` with what the guest says */
  async readFile(path: string, maxByteLength: number): Promise<Uint8Array> {
    return this.#withFile(path, "r", async (handle) => {
      const chunks: Uint8Array[] = [];
      for (let byteLength = 0; ; ) {
        const answer = recordOf(await this.#call("guest-file-read", { handle, count: CHUNK_BYTE_LENGTH }));
        const chunk = bytesOf(answer["buf-b64"]);
        byteLength += chunk.length;
        if (byteLength > maxByteLength) {
          const message = `read ${JSON.stringify(path)}: more than ${maxByteLength} bytes; raise maxByteLength`;
          throw new VivariumError("file/too-large", message, { path, maxByteLength });
        }
        chunks.push(chunk);
        if (answer.eof === true || chunk.length === 0) return concatBytes(chunks);
      }
    });
  }

  async writeFile(path: string, content: Uint8Array, append: boolean): Promise<void> {
    await this.#withFile(path, append ? "a" : "w", async (handle) => {
      for (let at = 0; at < content.length; ) {
        const chunk = content.subarray(at, at + CHUNK_BYTE_LENGTH);
        const written = numberOf(await this.#call("guest-file-write", { handle, "buf-b64": toBase64(chunk) }), "count");
        if (written <= 0 || written > chunk.length) throw untrusted("it wrote a strange number of bytes");
        at += written;
      }
    });
  }

  /** Asks the guest to switch itself off, which qemu-ga answers by nothing but an error. */
  shutdown(): void {
    this.#call("guest-shutdown", { mode: "powerdown" }).catch(() => {});
  }

  async #withFile<T>(path: string, mode: string, use: (handle: number) => Promise<T>): Promise<T> {
    const handle = await this.#call("guest-file-open", { path, mode });
    if (typeof handle !== "number") throw untrusted("a file has no handle");
    try {
      return await use(handle);
    } finally {
      await this.#call("guest-file-close", { handle });
    }
  }

  #call(execute: string, args: Answer = {}): Promise<Json> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ request: encode({ execute, arguments: args }), resolve, reject });
      if (this.#session === "open" && this.#queue.length === 1) this.#sendFirst();
    });
  }

  #sendFirst(): void {
    const first = this.#queue[0];
    if (first !== undefined) this.#wires.send(first.request);
  }

  #handle(line: string): void {
    let answer: Json;
    try {
      answer = JSON.parse(line) as Json;
    } catch {
      answer = null;
    }
    const fields = typeof answer === "object" && answer !== null && !Array.isArray(answer) ? (answer as Answer) : {};
    if (this.#session === "syncing") {
      if (fields.return !== this.#syncId) return;
      this.#session = "open";
      this.#sendFirst();
      return;
    }
    const first = this.#queue.shift();
    if (first === undefined) return;
    if (fields.return !== undefined) first.resolve(fields.return);
    else first.reject(refusalOf(fields.error ?? null));
    this.#sendFirst();
  }

  #gather(bytes: Uint8Array): void {
    this.#received.push(Uint8Array.from(bytes));
    this.#receivedLength += bytes.length;
    if (this.#receivedLength <= ANSWER_MAX_BYTE_LENGTH) return;
    this.#failFirst(untrusted("an answer without an end"));
    this.openChanged(true);
  }

  #forget(): void {
    this.#received = [];
    this.#receivedLength = 0;
  }

  #failFirst(error: VivariumError): void {
    this.#queue.shift()?.reject(error);
  }
}

function encode(message: Json): Uint8Array {
  return utf8(`${JSON.stringify(message)}\n`);
}

function execOf(answer: Answer): QemuExec {
  const { signal, exitcode } = answer;
  const status: ExitStatus =
    typeof signal === "number"
      ? { kind: "signal", number: signal }
      : { kind: "exit", code: typeof exitcode === "number" ? exitcode : 0 };
  return {
    status,
    stdout: bytesOf(answer["out-data"]),
    stderr: bytesOf(answer["err-data"]),
    isTruncated: answer["out-truncated"] === true || answer["err-truncated"] === true,
  };
}

/** What qemu-ga says in words, for it has hardly any codes. */
function refusalOf(error: Json): VivariumError {
  const { class: kind, desc } = typeof error === "object" && error !== null ? (error as Answer) : {};
  if (typeof desc !== "string") return untrusted("an answer that is none");
  const isNotFound = /No such file or directory/.test(desc);
  const code = isNotFound ? (/execute/.test(desc) ? "exec/not-found" : "file/not-found") : "agent/refused";
  return new VivariumError(code, `the guest's agent: ${desc}`, { class: String(kind) });
}

function recordOf(value: Json): Answer {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Answer;
  throw untrusted("an answer of another kind than was asked for");
}

function numberOf(value: Json, name: string): number {
  const number = recordOf(value)[name];
  if (typeof number === "number") return number;
  throw untrusted(`an answer without ${name}`);
}

function bytesOf(value: Json | undefined): Uint8Array {
  if (value === undefined) return new Uint8Array();
  if (typeof value === "string") return fromBase64(value);
  throw untrusted("data that is no text");
}

function untrusted(what: string): VivariumError {
  return new VivariumError("agent/protocol", `the guest's agent is not to be trusted: ${what}`);
}

function lost(): VivariumError {
  return new VivariumError("agent/lost", "the agent in the guest has ended: what became of the request is not known");
}
