import type { AgentClient, ProcessStart } from "../guest-agent/agent-client.js";
import type { AgentProcess, ExitStatus, OutputStream, TerminalSize } from "../guest-agent/agent-process.js";
import { shellCommand, USUAL_ENVIRONMENT } from "../guest-agent/shell.js";
import { VivariumError } from "../util/errors.js";
import { checkObject, checkText } from "./arguments.js";
import { type SignalName, signalName, signalNumber } from "./signals.js";
import { ByteSource, type Bytes, toBytes } from "./streams.js";

/** What is run: a line for the guest's shell, or a program and its arguments, looked for in PATH. */
export type Command = string | readonly string[];

export interface ProcessOptions {
  /** Working directory; the agent's own unless given. */
  readonly cwd?: string;
  /** Variables besides the usual PATH, HOME, USER and TERM, or in their place. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A terminal for a process: what it writes comes from `stdout`, lines as terminals end them, and what is typed goes into `stdin`. */
export interface GuestTerminal extends TerminalSize {
  /** What the process is told by TERM; `vt220` unless given. */
  readonly type?: string;
}

export interface SpawnOptions extends ProcessOptions {
  /** A terminal in place of pipes; closing `stdin` types Ctrl-D. */
  readonly terminal?: GuestTerminal | undefined;
}

/** How a process ended. */
export interface ProcessExit {
  /** 0 to 255; as shells have it, 128 + N for one that signal N ended. */
  readonly exitCode: number;
  /** The signal that ended it, such as `SIGKILL`; null for one that ended by itself. */
  readonly signal: string | null;
}

/**
 * A process in the guest.
 *
 * Its outputs have to be read, or cancelled: a process that has written more than a pipe holds and nobody reads waits,
 * and has not ended before what it wrote is read. A process of which nobody knows any more, because its machine was
 * switched off, reset, restored or closed, fails `exited` and both outputs with VivariumError `agent/lost`.
 */
export class GuestProcess {
  /** In the guest. */
  readonly pid: number;
  /** Takes bytes, and text as UTF-8. Writing waits while the process does not read. */
  readonly stdin: WritableStream<Uint8Array | string>;
  readonly stdout: ReadableStream<Bytes>;
  /** Nothing for a process at a terminal: all that it writes is on `stdout`. */
  readonly stderr: ReadableStream<Bytes>;
  /** Resolves when the process has ended and its outputs have been read, or cancelled. */
  readonly exited: Promise<ProcessExit>;
  readonly #process: AgentProcess;

  /** @internal Use `Machine.spawn`. */
  constructor(running: RunningProcess, pid: number) {
    this.pid = pid;
    this.#process = running.process;
    this.stdout = running.sources.stdout.stream;
    this.stderr = running.sources.stderr.stream;
    this.exited = running.exited;
    this.stdin = new WritableStream<Uint8Array | string>({
      write: (chunk) => running.process.write(toBytes(chunk)),
      close: () => running.process.closeInput(),
      abort: () => running.process.closeInput(),
    });
  }

  /** Its terminal is another size now, in characters; a process without a terminal has no use for it. */
  resize(columns: number, rows: number): void {
    this.#process.resize({ columns, rows });
  }

  /** `exited`'s exit code. */
  get exitCode(): Promise<number> {
    const code = this.exited.then(({ exitCode }) => exitCode);
    code.catch(() => {});
    return code;
  }

  /**
   * Sends a signal; one that has ended gets none.
   *
   * @param options `group`: also to the processes it has started and that are still in its process group
   */
  kill(signal: SignalName | number = "SIGTERM", { group = false }: { readonly group?: boolean } = {}): void {
    this.#process.signal(signalNumber(signal), group);
  }
}

const SIGKILL = 9;

/** A process from the request on. */
export class RunningProcess {
  readonly process: AgentProcess;
  readonly sources: Readonly<Record<OutputStream, ByteSource>>;
  /** Its pid. */
  readonly started: Promise<number>;
  readonly exited: Promise<ProcessExit>;
  readonly #client: AgentClient;
  readonly #fail: (error: VivariumError) => void;

  /** @throws VivariumError `exec/arguments` */
  constructor(client: AgentClient, command: Command, options: SpawnOptions) {
    checkProcessOptions(options);
    this.#client = client;
    const source = (stream: OutputStream) => new ByteSource((length) => this.process.consumed(stream, length));
    this.sources = { stdout: source("stdout"), stderr: source("stderr") };
    const started = deferred<number>();
    const exited = deferred<ProcessExit>();
    this.started = started.promise;
    this.exited = exited.promise;
    this.#fail = (error) => {
      started.reject(error);
      exited.reject(error);
      this.sources.stdout.fail(error);
      this.sources.stderr.fail(error);
    };
    this.process = client.start(startOf(command, options), {
      started: (pid) => started.resolve(pid),
      output: (stream, bytes) => this.sources[stream].push(bytes),
      ended: (stream) => this.sources[stream].end(),
      exited: (status) => exited.resolve(exitOf(status)),
      failed: (error) => this.#fail(error),
    });
  }

  /** Ends it and what it has started. */
  end(): void {
    if (!this.#client.cancel(this.process)) this.process.signal(SIGKILL, true);
  }

  /** Ends it, for nobody wants it any more. */
  abandon(): void {
    this.end();
    this.sources.stdout.discard();
    this.sources.stderr.discard();
  }
}

/** @throws VivariumError `exec/arguments` */
export function checkCommand(command: Command): void {
  if (typeof command === "string") return;
  if (Array.isArray(command) && command.every((argument) => typeof argument === "string")) return;
  throw new VivariumError("exec/arguments", "exec: expected a command as a text, or a program and arguments as a list");
}

/** @throws VivariumError `option/invalid` */
function checkProcessOptions({ cwd, env }: ProcessOptions): void {
  if (cwd !== undefined) checkText("cwd", cwd);
  if (env === undefined) return;
  for (const [name, value] of Object.entries(checkObject("env", env))) checkText(`env.${name}`, value);
}

function startOf(command: Command, { cwd, env, terminal }: SpawnOptions): ProcessStart {
  const usual = typeof command === "string" ? shellCommand(command) : { argv: command, directory: "." };
  const type = terminal?.type === undefined ? {} : { TERM: terminal.type };
  const environment = { ...USUAL_ENVIRONMENT, ...type, ...env };
  return { argv: usual.argv, directory: cwd ?? usual.directory, environment, terminal };
}

const SIGNAL_STATUS_BASE = 128;

/** @internal */
export function exitOf(status: ExitStatus): ProcessExit {
  switch (status.kind) {
    case "exit":
      return { exitCode: status.code, signal: null };
    case "signal":
      return { exitCode: SIGNAL_STATUS_BASE + status.number, signal: signalName(status.number) };
  }
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

/** A promise that nobody has to wait for. */
function deferred<T>(): Deferred<T> {
  let resolve: (value: T) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  promise.catch(() => {});
  return { promise, resolve, reject };
}
