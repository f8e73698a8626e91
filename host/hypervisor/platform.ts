/** What a hypervisor needs of the place it runs in, beyond what a machine needs. */
import type { Platform, WorkerChannel, WorkerPlatform } from "../api/platform.js";
import type { ImageView } from "../control/hypervisor/schemas.js";
import type { ImageProgress } from "../images/image.js";
import type { Database } from "../snapshot/database.js";
import type { MachineFile } from "../snapshot/machine-file.js";
import type { StreamRecord, StreamServices } from "../snapshot/stream-format.js";

/** Where a hypervisor keeps what it has: nobody else may use it until it is closed. */
export interface HypervisorStore {
  readonly database: Database;
  /** What the workers know a machine's file by. @param machine its name */
  machineFile(machine: string): string;
  /** The worker that had a machine's file open has ended, and could not close it: others may have it. */
  abandonFile(machine: string): void;
  close(): Promise<void>;
}

/** The thread of the program that has the hypervisor. */
export interface HypervisorPlatform extends Platform {
  /** Starts a worker that serves many machines: see `HostingPlatform`. */
  startHost(): WorkerChannel;
  /** How many processors the host has for workers. */
  readonly processorCount: number;
  /** Memory of the host that machines may have in all unless the hypervisor is told another budget. */
  readonly memoryByteLength: number;
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** A clock that is never set, in milliseconds. */
  monotonicMs(): number;
  /** @param directory as the platform has them; null for one that ends with the hypervisor @throws VivariumError */
  openStore(directory: string | null): Promise<HypervisorStore>;
  /** The images that machines can be made from. */
  images(): Promise<readonly ImageView[]>;
  /** @throws VivariumError when there is no such image, or it cannot be built here */
  buildImage(name: string, onProgress: (progress: ImageProgress) => void): Promise<void>;
  /** Of Vivarium. */
  readonly version: string;
}

/** A machine's file in the worker that has it open. */
export interface HostedFile {
  readonly file: MachineFile;
  close(): Promise<void>;
}

/** A worker's end: its channel carries `Envelope`s. */
export interface HostingPlatform extends WorkerPlatform {
  readonly streamServices: StreamServices;
  /** The machine's file, made if it is not there. @throws VivariumError */
  openFile(name: string): Promise<HostedFile>;
  /** @throws VivariumError when it is there already, or what comes is no machine */
  importFile(name: string, records: AsyncIterable<StreamRecord>): Promise<HostedFile>;
  /** Makes a file of the bytes of a machine's file. @throws VivariumError when they are none, or there is no room */
  stageFile(name: string, bytes: AsyncIterable<Uint8Array>): Promise<HostedFile>;
  /** Deletes a file that is closed; nothing happens when there is none. */
  removeFile(name: string): Promise<void>;
  /** Lets memory that nobody uses any more go at once. */
  collectGarbage(): void;
}
