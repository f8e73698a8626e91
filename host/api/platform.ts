/**
 * What the public API needs of the place it runs in. Node and a browser differ in no more than this:
 * `platform/node/platform.ts` and `platform/browser/platform.ts` have the caller's end, and a worker program beside each
 * calls `serveMachine` with the worker's end.
 */
import type { WasmModule } from "../core/wasm.js";
import type { Image, OpenImageOptions } from "../images/image.js";
import type { HostServices } from "../machine/host-services.js";
import type { MachineFile } from "../snapshot/machine-file.js";
import type { BaseImage } from "../storage/overlay.js";

/** Messages between two threads, each a structured clone, in the order in which they were posted. */
export interface Channel {
  /** @param transfer buffers that the receiver gets and the sender loses, instead of a copy */
  post(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  /** Called with each message; set once, before the first turn of the event loop after the channel was made. */
  onMessage(receive: (message: unknown) => void): void;
}

/** The caller's end of a worker. */
export interface WorkerChannel extends Channel {
  /** Called once when the worker ends without having been asked to: what it did not catch, or that it is gone. */
  onFailure(callback: (error: Error) => void): void;
  /** Ends the worker wherever it is. Nothing is received after it. */
  terminate(): void;
}

/** The thread of the program that uses a machine. */
export interface Platform {
  /** Starts a worker that serves one machine: see `WorkerPlatform`. */
  startWorker(): WorkerChannel;
  /** Calls back once after `delayMs`. @returns a function that cancels it */
  schedule(callback: () => void, delayMs: number): () => void;
  randomBytes(into: Uint8Array): void;
}

/** A disk that the worker has opened, and closes when the machine is done with it. */
export type OpenDrive = BaseImage;

/** A machine's file that the worker has opened: nobody else may until it is closed. */
export interface OpenMachineFile {
  readonly file: MachineFile;
  close(): Promise<void>;
}

/** The thread that a machine runs in. */
export interface WorkerPlatform {
  /** The other end of `WorkerChannel`. */
  readonly channel: Channel;
  /**
   * Time, sleep and randomness for a machine.
   *
   * @param beforeGuest awaited each time before the guest goes on: what holds it back while its output is not taken
   */
  hostServices(beforeGuest: () => Promise<void>): HostServices;
  /** The processor, compiled. */
  loadCore(): Promise<WasmModule>;
  /** @throws VivariumError when there is no such image, or it cannot be made */
  openImage(name: string, options: OpenImageOptions): Promise<Image>;
  /**
   * The whole content of what the caller named as a file: a path in Node, a URL in a browser.
   *
   * @param what the option that named it, for messages: `kernel`
   * @throws VivariumError `file/unusable`
   */
  readFile(what: string, name: string): Promise<Uint8Array>;
  /**
   * A disk in what the caller named as a file.
   *
   * @param drive for messages: `disk0`
   * @throws VivariumError `drive/unusable`
   */
  openDrive(drive: string, name: string, readOnly: boolean): Promise<OpenDrive>;
  /** @throws VivariumError when it is not there, in use, or no machine file of this version */
  openMachineFile(name: string): Promise<OpenMachineFile>;
  /** @throws VivariumError `file/exists` among others */
  createMachineFile(name: string): Promise<OpenMachineFile>;
}
