import { VivariumError } from "../util/errors.js";
import type { AgentClient } from "./agent-client.js";
import type { AgentProcess } from "./agent-process.js";
import type { SystemCaller } from "./guest-files.js";
import { USUAL_ENVIRONMENT } from "./shell.js";
import { type Argument, type CallReply, type Expectation, encodeCall, ReplyReader } from "./system-calls.js";

const PROGRAM = "viv-agent";
const SIGKILL = 9;

interface PendingCall {
  readonly expects: Expectation;
  readonly resolve: (reply: CallReply) => void;
  readonly reject: (error: VivariumError) => void;
}

/** A process in the guest that makes system calls: see `system-calls.ts`. */
export class SystemCallProcess implements SystemCaller {
  readonly #client: AgentClient;
  readonly #process: AgentProcess;
  readonly #reader = new ReplyReader();
  readonly #pending: PendingCall[] = [];
  #failure: VivariumError | null = null;

  constructor(client: AgentClient) {
    this.#client = client;
    const start = { argv: [PROGRAM, "system-calls"], directory: "/", environment: USUAL_ENVIRONMENT };
    this.#process = client.start(start, {
      output: (stream, bytes) => {
        this.#process.consumed(stream, bytes.length);
        if (stream === "stdout") this.#receive(bytes);
      },
      exited: () => this.#fail(new VivariumError("file/interrupted", "the process that worked on files has ended")),
      failed: (error) => this.#fail(error),
    });
  }

  /** Whether it can be used for more. */
  get isUsable(): boolean {
    return this.#failure === null;
  }

  async call(number: number, args: readonly Argument[]): Promise<CallReply> {
    if (this.#failure !== null) throw this.#failure;
    const { request, expects } = encodeCall(number, args);
    const reply = new Promise<CallReply>((resolve, reject) => this.#pending.push({ expects, resolve, reject }));
    // When it cannot be written, the process has ended, which rejects the reply.
    this.#process.write(request).catch(() => {});
    return reply;
  }

  /** Ends it, amid a call if need be, which then fails with `error`. */
  kill(error: VivariumError): void {
    this.#fail(error);
    if (!this.#client.cancel(this.#process)) this.#process.signal(SIGKILL, false);
  }

  /** Lets it end when it has done what it was asked to. */
  close(): void {
    this.#process.closeInput();
  }

  #receive(bytes: Uint8Array): void {
    this.#reader.push(bytes);
    while (!this.#reader.isEmpty) {
      const first = this.#pending[0];
      if (first === undefined) {
        this.kill(new VivariumError("agent/protocol", "the guest answers a system call that was not asked for"));
        return;
      }
      const reply = this.#reader.next(first.expects);
      if (reply === null) return;
      this.#pending.shift();
      first.resolve(reply);
    }
  }

  #fail(error: VivariumError): void {
    this.#failure ??= error;
    for (const { reject } of this.#pending.splice(0)) reject(this.#failure);
  }
}
