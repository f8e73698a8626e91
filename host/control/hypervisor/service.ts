/** A hypervisor as its front ends see it, wherever it runs: in this process, in a page, or behind REST. */
import type { ActionInput, ActionOutput, ServiceActionName } from "./actions.js";
import type { HypervisorEvent } from "./schemas.js";

/** What an action needs to know of who asks, and how it says how far it is. */
export interface ActionContext {
  /** For the audit: the label of a token, or `local`. */
  readonly principal: string;
  /** @param progress 0 to 1; null while nobody can say */
  onProgress?(progress: number | null, message: string): void;
  readonly signal?: AbortSignalLike;
}

/** The part of AbortSignal that is needed here, which is neither Node's nor the DOM's alone. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** A serial console somebody looks at. */
export interface ConsoleSession {
  type(bytes: Uint8Array): void;
  resize(columns: number, rows: number): void;
  close(): void;
}

/** A terminal for a command: its size in characters, and what the command is told by TERM. */
export interface CommandTerminal {
  readonly columns: number;
  readonly rows: number;
  readonly type?: string;
}

/** A command in a guest that somebody talks to. */
export interface SpawnSession {
  /** Null ends the input. A promise that is returned holds back the rest until it resolves. */
  write(bytes: Uint8Array | null): void | Promise<void>;
  resize(columns: number, rows: number): void;
  kill(signal: string): void;
  close(): void;
}

/** Where output goes; a promise that is returned holds back the rest until it resolves. */
export interface SpawnOutput {
  stdout(bytes: Uint8Array): void | Promise<void>;
  stderr(bytes: Uint8Array): void | Promise<void>;
  ended(exit: { readonly exitCode: number | null; readonly signal: string | null }): void;
  failed(error: Error): void;
}

export interface HypervisorService {
  /**
   * Does what is asked for, to its end.
   *
   * @throws VivariumError with codes such as `machine/unknown`, `machine/exists`, `machine/status`, `pool/unknown`,
   *   `admission/processors`, `admission/memory`
   */
  perform<A extends ServiceActionName>(
    action: A,
    input: ActionInput<A>,
    context: ActionContext,
  ): Promise<ActionOutput<A>>;

  /** Calls back with each event from now on. @returns a function that ends it */
  onEvent(listener: (event: HypervisorEvent) => void): () => void;

  /** Adds to the events how an operation of whoever asks goes. @param message one line for people */
  tellOperation(machine: string | null, message: string, data: Readonly<Record<string, unknown>>): void;

  /** First come what the console last showed, then what it shows. A hibernated machine wakes by what is typed. */
  openConsole(
    machine: string,
    receive: (bytes: Uint8Array) => void | Promise<void>,
    ended: (reason: string) => void,
  ): Promise<ConsoleSession>;

  spawn(
    machine: string,
    command: string | readonly string[],
    options: { readonly terminal: CommandTerminal | null },
    output: SpawnOutput,
  ): Promise<SpawnSession>;

  /** The machine as a stream that `importMachine` takes, here or elsewhere. */
  exportMachine(machine: string, passphrase: string | null): AsyncIterable<Uint8Array>;

  importMachine(
    name: string,
    stream: AsyncIterable<Uint8Array>,
    passphrase: string | null,
    context: ActionContext,
  ): Promise<void>;

  /** Saves every machine and ends all workers; nothing is done any more afterwards. */
  close(): Promise<void>;
}
