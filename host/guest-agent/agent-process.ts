import { dataView } from "../util/bytes.js";
import { assert, VivariumError } from "../util/errors.js";
import { startFailure } from "./errno.js";
import {
  EXITED,
  encodeFrame,
  FAILED,
  type Frame,
  INPUT,
  PAYLOAD_MAX,
  RESIZE,
  ROOM,
  SIGNAL,
  STARTED,
  STDERR,
  STDOUT,
  TAKEN,
  UNREAD,
  WINDOW,
  words,
} from "./protocol.js";

/** How a process ended: by itself with a status from 0 to 255, or by a signal. */
export type ExitStatus =
  | { readonly kind: "exit"; readonly code: number }
  | { readonly kind: "signal"; readonly number: number };

export type OutputStream = "stdout" | "stderr";

/** A terminal's size in characters, 1 to 65535 each. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** What happens to a process, in this order: started, then output and ends, then exited; or failed, at any point. */
export interface ProcessEvents {
  started?(pid: number): void;
  /** The bytes are the receiver's, who says by `consumed` when it has room for as many again. */
  output(stream: OutputStream, bytes: Uint8Array): void;
  /** There is no more of that output. */
  ended?(stream: OutputStream): void;
  exited(status: ExitStatus): void;
  /** It could not be started, or nobody knows what becomes of it. Nothing follows. */
  failed(error: VivariumError): void;
}

const STREAM_NUMBERS = { stdout: 1, stderr: 2 } as const;
/** ROOM is sent when so much has been consumed, not for each byte. */
const ROOM_STEP = WINDOW / 4;

/** What a terminal's line discipline takes for the end of what is typed, at the beginning of a line: Ctrl-D. */
const END_OF_TRANSMISSION = 4;

/** Input on its way to the process. */
interface QueuedInput {
  readonly bytes: Uint8Array;
  sent: number;
  readonly resolve: () => void;
  readonly reject: (error: VivariumError) => void;
}

interface AgentProcessOptions {
  readonly id: number;
  /** For messages. */
  readonly program: string;
  readonly hasTerminal: boolean;
  readonly events: ProcessEvents;
  readonly send: (frame: Uint8Array) => void;
}

/** A process in the guest, as the agent's client knows it. */
export class AgentProcess {
  readonly #id: number;
  readonly #program: string;
  readonly #events: ProcessEvents;
  readonly #send: (frame: Uint8Array) => void;
  readonly #hasTerminal: boolean;
  #state: "starting" | "running" | "done" = "starting";
  readonly #room = { stdout: WINDOW, stderr: WINDOW };
  readonly #consumed = { stdout: 0, stderr: 0 };
  readonly #queue: QueuedInput[] = [];
  #untaken = 0;
  #inputState: "open" | "closing" | "closed" | "unread" = "open";
  #pendingSignals: (readonly [signal: number, group: boolean])[] = [];
  #pendingSize: TerminalSize | null = null;

  constructor(options: AgentProcessOptions) {
    this.#id = options.id;
    this.#program = options.program;
    this.#events = options.events;
    this.#send = options.send;
    this.#hasTerminal = options.hasTerminal;
  }

  /** Whether nothing more will be heard of it. */
  get isDone(): boolean {
    return this.#state === "done";
  }

  /**
   * Sends to standard input. Resolves when the last byte is under way, so when there is room for more.
   *
   * Rejects with VivariumError `exec/input-closed` when nobody reads it any more.
   */
  write(bytes: Uint8Array): Promise<void> {
    if (this.#inputState !== "open" || this.isDone) return Promise.reject(this.#inputClosed());
    return new Promise((resolve, reject) => {
      this.#queue.push({ bytes, sent: 0, resolve, reject });
      this.#sendInput();
    });
  }

  /** Standard input ends after what was written; at a terminal, by Ctrl-D. */
  closeInput(): void {
    if (this.#inputState !== "open") return;
    if (this.#hasTerminal) this.write(Uint8Array.of(END_OF_TRANSMISSION)).catch(() => {});
    this.#inputState = "closing";
    this.#sendInput();
  }

  /** There is room for as much output again. */
  consumed(stream: OutputStream, byteLength: number): void {
    if (this.isDone) return;
    this.#consumed[stream] += byteLength;
    if (this.#consumed[stream] < ROOM_STEP) return;
    this.#room[stream] += this.#consumed[stream];
    this.#send(encodeFrame(ROOM, this.#id, words(STREAM_NUMBERS[stream], this.#consumed[stream])));
    this.#consumed[stream] = 0;
  }

  /** Sends a signal to the process, or to all of its process group. One that has ended gets none. */
  signal(signal: number, group: boolean): void {
    if (this.#state === "starting") this.#pendingSignals.push([signal, group]);
    else if (this.#state === "running") this.#send(encodeFrame(SIGNAL, this.#id, words(signal, Number(group))));
  }

  /** Its terminal has this size now; a process without one has no use for it. */
  resize(size: TerminalSize): void {
    if (!this.#hasTerminal) return;
    if (this.#state === "starting") this.#pendingSize = size;
    else if (this.#state === "running") this.#send(encodeFrame(RESIZE, this.#id, words(size.columns, size.rows)));
  }

  /** The session is over. */
  fail(error: VivariumError): void {
    if (this.isDone) return;
    this.#end();
    this.#events.failed(error);
  }

  /** @returns what the agent has done wrong, or null */
  handle(frame: Frame): string | null {
    const { type, payload } = frame;
    if (this.#state === "starting" && type !== STARTED && type !== FAILED)
      return `${type} before a process has started`;
    const number = payload.length >= 4 ? dataView(payload).getUint32(0, true) : null;
    switch (type) {
      case STARTED:
        if (number === null || this.#state !== "starting") return "STARTED out of place";
        this.#start(number);
        return null;
      case FAILED: {
        if (payload.length < 8 || this.#state !== "starting") return "FAILED out of place";
        const stage = dataView(payload).getUint32(4, true);
        this.fail(startFailure(this.#program, number!, stage));
        return null;
      }
      case STDOUT:
        return this.#output("stdout", payload);
      case STDERR:
        return this.#output("stderr", payload);
      case EXITED:
        if (number === null) return "EXITED without a status";
        this.#end();
        this.#events.exited(exitStatusOf(number));
        return null;
      case TAKEN:
        if (number === null || number > this.#untaken) return "TAKEN of more than was sent";
        this.#untaken -= number;
        this.#sendInput();
        return null;
      case UNREAD:
        this.#inputState = "unread";
        this.#rejectInput();
        return null;
      default:
        return `a frame of type ${type}`;
    }
  }

  #start(pid: number): void {
    this.#state = "running";
    this.#events.started?.(pid);
    for (const [signal, group] of this.#pendingSignals) this.signal(signal, group);
    this.#pendingSignals = [];
    if (this.#pendingSize !== null) this.resize(this.#pendingSize);
    this.#sendInput();
  }

  #output(stream: OutputStream, bytes: Uint8Array): string | null {
    if (bytes.length > this.#room[stream]) return `more ${stream} than there was room for`;
    this.#room[stream] -= bytes.length;
    if (bytes.length === 0) this.#events.ended?.(stream);
    else this.#events.output(stream, Uint8Array.from(bytes));
    return null;
  }

  #sendInput(): void {
    if (this.#state !== "running") return;
    while (this.#untaken < WINDOW) {
      const first = this.#queue[0];
      if (first === undefined) break;
      const byteLength = Math.min(first.bytes.length - first.sent, WINDOW - this.#untaken, PAYLOAD_MAX);
      if (byteLength > 0) {
        this.#send(encodeFrame(INPUT, this.#id, first.bytes.subarray(first.sent, first.sent + byteLength)));
        this.#untaken += byteLength;
        first.sent += byteLength;
      }
      if (first.sent < first.bytes.length) continue;
      this.#queue.shift();
      first.resolve();
    }
    if (this.#inputState !== "closing" || this.#queue.length > 0) return;
    this.#inputState = "closed";
    if (!this.#hasTerminal) this.#send(encodeFrame(INPUT, this.#id));
  }

  #end(): void {
    assert(this.#state !== "done", "a process ends once");
    this.#state = "done";
    this.#rejectInput();
  }

  #rejectInput(): void {
    for (const { reject } of this.#queue.splice(0)) reject(this.#inputClosed());
  }

  #inputClosed(): VivariumError {
    const message = `${this.#program}: nobody reads its standard input any more`;
    return new VivariumError("exec/input-closed", message, { program: this.#program });
  }
}

const WAIT_SIGNAL_MASK = 0x7f;

/** Linux, wait(2): the low 7 bits are the signal, or 0 and the next 8 bits are the status. */
function exitStatusOf(status: number): ExitStatus {
  const signal = status & WAIT_SIGNAL_MASK;
  if (signal === 0) return { kind: "exit", code: (status >> 8) & 0xff };
  return { kind: "signal", number: signal };
}
