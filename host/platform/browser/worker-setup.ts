/** The first message to a worker: where the site keeps what the worker needs, as absolute addresses. */
export interface WorkerSetup {
  /** The compiled processor, `core.wasm`. */
  readonly core: string;
  /** The directory of the images; ends with a slash. */
  readonly images: string;
  /** What the names of other files are relative to. */
  readonly base: string;
  /** The worker's end of the calls that concern the machine's file: see `file-messages.ts`. */
  readonly file: MessagePort;
}
