import { unpackError } from "../../api/messages.js";
import type { FileAnswer, FileCallName, FileCalls, FileRequest } from "./file-messages.js";

interface PendingCall {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

/** The page's end of the calls that concern the machine's file. */
export class FileClient {
  readonly #port: MessagePort;
  readonly #pending = new Map<number, PendingCall>();
  #lastId = 0;
  #ended: Error | null = null;

  constructor(port: MessagePort) {
    this.#port = port;
    port.onmessage = ({ data }: MessageEvent<FileAnswer>) => this.#receive(data);
  }

  /** @throws VivariumError as the call says; whatever ended the worker */
  call<N extends FileCallName>(name: N, argument: FileCalls[N]["argument"]): Promise<FileCalls[N]["answer"]> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#port.postMessage({ id, name, argument } satisfies FileRequest);
    });
  }

  /** The worker is no more: nobody will answer. */
  end(error: Error): void {
    this.#ended ??= error;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    this.#port.close();
  }

  #receive(answer: FileAnswer): void {
    const call = this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    if (answer.kind === "answer") call?.resolve(answer.value as never);
    else call?.reject(unpackError(answer.error));
  }
}
