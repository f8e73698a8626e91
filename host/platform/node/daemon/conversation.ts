import { constants } from "node:os";
import type { RawData, WebSocket } from "ws";
import type { DaemonCommand } from "../../../control/cli/daemon-action.js";
import { EscapeKeys } from "../../../control/escape-keys.js";
import { type ExitReport, STATUS_GUEST_ENDED_EARLY, STATUS_OK, signalStatus } from "../../../control/guest-end.js";
import { type ClientMessage, type ServerMessage, STREAM_STDERR } from "../../../control/hypervisor/socket-messages.js";
import { ScreenModes } from "../../../control/screen-modes.js";
import { VivariumError } from "../../../util/errors.js";
import { RawTerminal } from "../operator-terminal.js";
import type { Output } from "../output.js";
import { listenForEnd } from "../process-end.js";
import type { StandardStreams } from "../standard-streams.js";
import type { DaemonClient } from "./client.js";

/** Bytes that may wait for the daemon before no more input is read. */
const CONGESTION_BYTE_LENGTH = 1024 * 1024;
const DRAIN_POLL_MS = 10;

/** Of a terminal that does not say how large it is. */
const DEFAULT_SIZE = { columns: 80, rows: 24 };

const HELP = [
  "Ctrl-A H  this help",
  "Ctrl-A X  leave: the machine goes on",
  "Ctrl-A Ctrl-A  send Ctrl-A to the guest",
] as const;

/** What came over a socket. */
type Received = { readonly bytes: Uint8Array } | { readonly message: ServerMessage };

/** Stays at a machine's console until it is left or the console ends. */
export async function attach(client: DaemonClient, machine: string, streams: StandardStreams): Promise<ExitReport> {
  const { stdin, stdout, stderr } = streams;
  const socket = await client.socket(`/v1/machines/${machine}/console`);
  const isTerminal = stdin.isTTY === true;
  const keys = new EscapeKeys();
  const modes = new ScreenModes();
  const connection = new Connection(socket, streams, isTerminal);
  if (isTerminal) stderr.line(`viv: at the console of ${machine}; Ctrl-A X leaves`);
  connection.onInput((bytes) => {
    if (bytes === null) return;
    if (!isTerminal) return connection.send(bytes);
    const { forwarded, commands } = keys.take(bytes);
    if (forwarded.length > 0) connection.send(forwarded);
    for (const command of commands) {
      if (command === "leave") connection.end({ status: STATUS_OK });
      else for (const line of ["", ...HELP]) stderr.line(line);
    }
  });
  connection.tellSize();
  const report = await connection.run((received) => {
    if ("bytes" in received) {
      modes.write(received.bytes);
      stdout.write(received.bytes);
    } else if (received.message.type === "ended") {
      connection.end({ status: STATUS_OK, message: `the console ended: ${received.message.reason}` });
    }
  });
  if (stdout.isTerminal) stdout.write(Buffer.from(`${modes.undo()}\r\n`));
  return report;
}

/** Runs a command in a guest, with our input, output and exit status. */
export async function exec(
  client: DaemonClient,
  { machine, words, terminal }: Extract<DaemonCommand, { kind: "exec" }>,
  streams: StandardStreams,
): Promise<ExitReport> {
  const { stdin, stdout, stderr } = streams;
  if (terminal && stdin.isTTY !== true) {
    throw new VivariumError("option/invalid", "--tty: standard input is no terminal; expected none of it");
  }
  const socket = await client.socket(`/v1/machines/${machine}/spawn`);
  const connection = new Connection(socket, streams, terminal);
  connection.say({
    type: "start",
    command: words.length === 1 ? words[0]! : words,
    terminal: terminal ? { ...(stdout.terminalSize ?? DEFAULT_SIZE), ...terminalType(process.env.TERM) } : null,
  });
  connection.onInput((bytes) => (bytes === null ? connection.say({ type: "end-input" }) : connection.send(bytes)));
  return connection.run((received) => {
    if ("bytes" in received) {
      const output = received.bytes[0] === STREAM_STDERR ? stderr : stdout;
      output.write(received.bytes.subarray(1));
    } else if (received.message.type === "exit") {
      const { exitCode, signal } = received.message;
      connection.end({ status: exitCode ?? signalStatus(signalNumber(signal)) });
    }
  });
}

/** What our terminal is, if it says so in a way that the daemon takes. */
function terminalType(name: string | undefined): { readonly type?: string } {
  return name !== undefined && /^[A-Za-z0-9][A-Za-z0-9+._-]{0,63}$/.test(name) ? { type: name } : {};
}

function signalNumber(name: string | null): number {
  return name !== null && Object.hasOwn(constants.signals, name) ? constants.signals[name as NodeJS.Signals] : 0;
}

/** A socket of the daemon between our standard streams. */
class Connection {
  readonly #socket: WebSocket;
  readonly #streams: StandardStreams;
  readonly #terminal: RawTerminal | null;
  #resolve: (report: ExitReport) => void = () => {};
  #reject: (error: unknown) => void = () => {};
  #onInput: (bytes: Uint8Array | null) => void = () => {};

  constructor(socket: WebSocket, streams: StandardStreams, isTerminal: boolean) {
    this.#socket = socket;
    this.#streams = streams;
    this.#terminal = isTerminal ? new RawTerminal(streams.stdin) : null;
  }

  onInput(take: (bytes: Uint8Array | null) => void): void {
    this.#onInput = take;
  }

  send(bytes: Uint8Array): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(bytes, { binary: true });
  }

  say(message: ClientMessage): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  tellSize(): void {
    const size = this.#streams.stdout.terminalSize;
    if (size !== null) this.say({ type: "resize", ...size });
  }

  end(report: ExitReport): void {
    this.#resolve(report);
  }

  /** Hands over what comes until `end` is called. @throws VivariumError when the socket ends before */
  async run(take: (received: Received) => void): Promise<ExitReport> {
    const { stdin, stdout, stderr } = this.#streams;
    const ended = new Promise<ExitReport>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#socket.on("message", (data, isBinary) => {
      const bytes = bytesOf(data);
      if (isBinary) take({ bytes });
      else this.#heed(JSON.parse(Buffer.from(bytes).toString("utf8")) as ServerMessage, take);
      this.#holdBack(stdout);
      this.#holdBack(stderr);
    });
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => {
      this.#reject(new VivariumError("daemon/unreachable", "the connection to the daemon was lost"));
    });
    stdout.onLost(() => this.end({ status: STATUS_GUEST_ENDED_EARLY }));
    const stopListening = listenForEnd((signal) => this.end({ status: signalStatus(signal) }));
    const stopResizing = stdout.onResize(() => this.tellSize());
    this.#terminal?.enter();
    const stopReading = this.#read(stdin);
    this.#socket.resume();
    try {
      return await ended;
    } finally {
      stopReading();
      stopResizing();
      stopListening();
      this.#terminal?.restore();
      this.#socket.close();
    }
  }

  #heed(message: ServerMessage, take: (received: Received) => void): void {
    if (message.type === "error") this.#reject(new VivariumError(message.error.code, message.error.message));
    else take({ message });
  }

  /** Whoever reads our output slowly slows the guest down, and fills no memory here. */
  #holdBack(output: Output): void {
    if (!output.congested) return;
    this.#socket.pause();
    void output.drained().then(() => this.#socket.resume());
  }

  /** Reads no faster than the daemon takes it. */
  #read(stdin: StandardStreams["stdin"]): () => void {
    let timer: NodeJS.Timeout | null = null;
    const onData = (bytes: Uint8Array) => {
      this.#onInput(bytes);
      if (this.#socket.bufferedAmount < CONGESTION_BYTE_LENGTH) return;
      stdin.pause();
      timer = setInterval(() => {
        if (this.#socket.bufferedAmount >= CONGESTION_BYTE_LENGTH) return;
        clearInterval(timer!);
        stdin.resume();
      }, DRAIN_POLL_MS);
    };
    const onEnd = () => this.#onInput(null);
    stdin.on("data", onData);
    stdin.once("end", onEnd);
    stdin.once("error", onEnd);
    return () => {
      if (timer !== null) clearInterval(timer);
      stdin.off("data", onData);
      stdin.off("end", onEnd);
      stdin.pause();
    };
  }
}

function bytesOf(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}
