import { utf8 } from "../util/bytes.js";
import { VivariumError } from "../util/errors.js";
import { AgentProcess, type ProcessEvents, type TerminalSize } from "./agent-process.js";
import {
  AGENT_PROTOCOL_VERSION,
  encodeFrame,
  type Frame,
  HELLO,
  HELLO_BYTE_LENGTH,
  isSpoken,
  PAYLOAD_MAX,
  QUIT,
  START,
  STRINGS,
  STRINGS_MAX,
  words,
} from "./protocol.js";
import { FrameReader, WelcomeReader } from "./session-reader.js";

/** What is to be started. */
export interface ProcessStart {
  /** At least the program's name. One without a "/" is looked for in the directories of `environment.PATH`. */
  readonly argv: readonly string[];
  /** "." is where the agent was started. */
  readonly directory: string;
  /** All of it: the process inherits none. */
  readonly environment: Readonly<Record<string, string>>;
  /** A terminal in place of pipes: what is written to it is standard output. */
  readonly terminal?: TerminalSize | undefined;
}

/** The host's end of the port, and what the client needs of the host besides. */
export interface AgentWires {
  /** Sends a frame, which must reach the port whole or not at all. */
  send(frame: Uint8Array): void;
  randomBytes(into: Uint8Array): void;
}

type Session =
  /** The agent does not have the port open. */
  | { readonly kind: "absent" }
  /** It has been greeted. */
  | { readonly kind: "greeting"; readonly reader: WelcomeReader }
  | { readonly kind: "open"; readonly reader: FrameReader; readonly version: number }
  /** It has done what it must not: not listened to until it is greeted again. */
  | { readonly kind: "broken" };

/** A process that waits for the session, or to be released besides. */
interface Waiting {
  readonly start: ProcessStart;
  readonly process: AgentProcess;
  readonly id: number;
  readonly isHeld: boolean;
}

/** Starts processes in a guest by its agent: the host's side of `protocol.ts`. What an agent sends is not trusted. */
export class AgentClient {
  readonly #wires: AgentWires;
  #session: Session = { kind: "absent" };
  readonly #processes = new Map<number, AgentProcess>();
  #waiting: Waiting[] = [];
  #lastId = 0;
  #onReady: (() => void)[] = [];

  constructor(wires: AgentWires) {
    this.#wires = wires;
  }

  /** Whether the agent has answered. */
  get isReady(): boolean {
    return this.#session.kind === "open";
  }

  /** Processes that have been started or wait to be. */
  get processCount(): number {
    return this.#processes.size;
  }

  /** Calls back once, now or when the agent answers. */
  whenReady(callback: () => void): void {
    if (this.isReady) callback();
    else this.#onReady.push(callback);
  }

  /** The agent has opened the port or closed it. */
  openChanged(open: boolean): void {
    if (open) {
      this.greet();
    } else if (this.#session.kind !== "absent") {
      this.#session = { kind: "absent" };
      this.lose("the agent in the guest has ended");
    }
  }

  /** Begins a session with an agent that has the port open: what ran in the last one is lost. */
  greet(): void {
    this.lose("the guest's agent was greeted anew");
    const hello = new Uint8Array(HELLO_BYTE_LENGTH);
    this.#wires.randomBytes(hello);
    this.#session = { kind: "greeting", reader: new WelcomeReader(hello) };
    this.#wires.send(encodeFrame(HELLO, 0, hello));
  }

  /** What the agent has sent. */
  receive(bytes: Uint8Array): void {
    switch (this.#session.kind) {
      case "absent":
      case "broken":
        return;
      case "greeting": {
        const welcome = this.#session.reader.push(bytes);
        if (welcome !== null) this.#begin(welcome.version, welcome.rest);
        return;
      }
      case "open":
        this.#session.reader.push(bytes);
        this.#handleFrames(this.#session.reader);
    }
  }

  /**
   * Starts a process, now or when the agent has answered. Its input waits with it.
   *
   * @param isHeld whether it waits for `release` as well
   * @throws VivariumError `exec/arguments` when no process can be given them
   */
  start(start: ProcessStart, events: ProcessEvents, isHeld = false): AgentProcess {
    checkStart(start);
    const id = ++this.#lastId;
    const process = new AgentProcess({
      ...{ id, program: start.argv[0]!, hasTerminal: start.terminal !== undefined },
      ...{ events, send: (frame) => this.#wires.send(frame) },
    });
    this.#processes.set(id, process);
    const waiting = { start, process, id, isHeld };
    if (this.#session.kind === "open" && !isHeld) this.#sendStart(waiting, this.#session.version);
    else this.#waiting.push(waiting);
    if (this.#session.kind === "broken") this.greet();
    return process;
  }

  /** Lets a process that is held start. */
  release(process: AgentProcess): void {
    this.#waiting = this.#waiting.map((other) => (other.process === process ? { ...other, isHeld: false } : other));
    if (this.#session.kind === "open") this.#startWaiting(this.#session.version);
  }

  /** Gives up a process that has not been started yet. @returns whether there was such a one */
  cancel(process: AgentProcess): boolean {
    const waiting = this.#waiting.find((other) => other.process === process);
    if (waiting === undefined) return false;
    this.#waiting = this.#waiting.filter((other) => other !== waiting);
    this.#processes.delete(waiting.id);
    return true;
  }

  /** Lets the agent end. What it has started goes on. */
  quit(): void {
    if (this.isReady) this.#wires.send(encodeFrame(QUIT, 0));
  }

  /** All processes that have been started fail with `agent/lost`; those that wait go on waiting. */
  lose(problem: string): void {
    const isWaiting = new Set(this.#waiting.map(({ id }) => id));
    for (const [id, process] of [...this.#processes]) {
      if (isWaiting.has(id)) continue;
      this.#processes.delete(id);
      process.fail(new VivariumError("agent/lost", `${problem}: what became of the process is not known`));
    }
  }

  /** All processes fail with this error, those that wait as well. */
  failAll(error: VivariumError): void {
    this.#waiting = [];
    for (const process of this.#processes.values()) process.fail(error);
    this.#processes.clear();
  }

  #begin(version: number, rest: Uint8Array): void {
    if (!isSpoken(version)) {
      this.#session = { kind: "broken" };
      const message = `the guest's agent speaks version ${version} of its protocol; expected ${AGENT_PROTOCOL_VERSION}`;
      this.failAll(new VivariumError("agent/version", message, { version }));
      return;
    }
    const reader = new FrameReader();
    this.#session = { kind: "open", reader, version };
    this.#startWaiting(version);
    for (const callback of this.#onReady.splice(0)) callback();
    reader.push(rest);
    this.#handleFrames(reader);
  }

  #startWaiting(version: number): void {
    const waiting = this.#waiting;
    this.#waiting = waiting.filter(({ isHeld }) => isHeld);
    for (const each of waiting) if (!each.isHeld) this.#sendStart(each, version);
  }

  #handleFrames(reader: FrameReader): void {
    for (let frame = reader.next(); frame !== null; frame = reader.next()) {
      // What a frame has set off may have ended the session.
      if (this.#session.kind !== "open" || this.#session.reader !== reader) return;
      const problem = "problem" in frame ? frame.problem : this.#handle(frame);
      if (problem === null) continue;
      this.#break(problem);
      return;
    }
  }

  /** @returns what the agent has done wrong, or null */
  #handle(frame: Frame): string | null {
    // Our frames may cross with the end of a process, but nothing of it comes after that.
    const process = this.#processes.get(frame.process);
    if (process === undefined) return `a frame for process ${frame.process}`;
    const problem = process.handle(frame);
    if (process.isDone) this.#processes.delete(frame.process);
    return problem;
  }

  #break(problem: string): void {
    this.#session = { kind: "broken" };
    this.failAll(new VivariumError("agent/protocol", `the guest's agent is not to be trusted: it sent ${problem}`));
  }

  #sendStart({ id, process, start }: Waiting, version: number): void {
    const { argv, directory, environment, terminal } = start;
    const hasTerminals = version >= AGENT_PROTOCOL_VERSION;
    if (terminal !== undefined && !hasTerminals) {
      this.#processes.delete(id);
      process.fail(withoutTerminals(version));
      return;
    }
    const paths = pathsOf(argv[0]!, environment.PATH ?? "");
    const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    const strings = utf8([directory, ...paths, ...argv, ...variables].map((text) => `${text}\0`).join(""));
    for (let at = 0; at < strings.length; at += PAYLOAD_MAX) {
      this.#wires.send(encodeFrame(STRINGS, 0, strings.subarray(at, at + PAYLOAD_MAX)));
    }
    const counts = [paths.length, argv.length, variables.length];
    const size = hasTerminals ? [terminal?.columns ?? 0, terminal?.rows ?? 0] : [];
    this.#wires.send(encodeFrame(START, id, words(...counts, ...size)));
  }
}

/** Longest argument or variable in bytes: Linux limits one to 32 pages, its NUL included (MAX_ARG_STRLEN). */
const ARGUMENT_MAX = 32 * 4096 - 1;

/** Where to look for a program, as a shell does. */
function pathsOf(program: string, path: string): readonly string[] {
  if (program.includes("/")) return [program];
  return path.split(":").map((directory) => (directory === "" ? program : `${directory}/${program}`));
}

function withoutTerminals(version: number): VivariumError {
  const message =
    "the machine was made from an image whose agent gives commands no terminal; " +
    "expected one of a new image, or use the machine's console";
  return new VivariumError("exec/terminal", message, { version });
}

const SIZE_MAX = 0xffff;

function checkStart({ argv, directory, environment, terminal }: ProcessStart): void {
  const refuse = (problem: string) => new VivariumError("exec/arguments", `exec: ${problem}`);
  for (const count of [terminal?.columns ?? 1, terminal?.rows ?? 1]) {
    if (!Number.isInteger(count) || count < 1 || count > SIZE_MAX) throw refuse(`a terminal of ${count} characters`);
  }
  if (argv.length === 0 || argv[0] === "") throw refuse("no program is named; expected one, and its arguments");
  const texts = [directory, ...argv, ...Object.entries(environment).flat()];
  if (texts.some((text) => text.includes("\0"))) throw refuse("a NUL character, which no argument can have");
  const name = Object.keys(environment).find((key) => key === "" || key.includes("="));
  if (name !== undefined) throw refuse(`${JSON.stringify(name)} is no name for a variable`);
  const longest = Math.max(...texts.map((text) => utf8(text).length));
  if (longest > ARGUMENT_MAX)
    throw refuse(`an argument of ${longest} bytes; at most ${ARGUMENT_MAX}, put more in a file`);
  const paths = pathsOf(argv[0]!, environment.PATH ?? "");
  const byteLength = [...texts, ...paths].reduce((sum, text) => sum + utf8(text).length + 1, 0);
  if (byteLength > STRINGS_MAX) {
    throw refuse(`${byteLength} bytes of arguments and environment; at most ${STRINGS_MAX}, put more in a file`);
  }
}
