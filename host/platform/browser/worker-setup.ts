/** The first message to a worker: where the site keeps what the worker needs. Addresses are absolute. */
export interface WorkerSetup {
  /** The compiled processor, `core.wasm`. */
  readonly core: string;
  /** The directory of the images; ends with a slash. */
  readonly images: string;
  /** What the names of files are relative to. */
  readonly base: string;
}
