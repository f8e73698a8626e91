/**
 * What the public API needs of the place it runs in. Node and a browser differ in no more than this:
 * `platform/node/platform.ts` and `platform/browser/platform.ts` have the caller's end, and a worker program beside each
 * calls `serveMachine` with the worker's end.
 */
import type { LinkRequest, PortForward } from "../control/network-options.js";
import type { WasmModule } from "../core/wasm.js";
import type { VirtioVsock } from "../devices/virtio/vsock.js";
import type { Image, OpenImageOptions } from "../images/image.js";
import type { HostServices } from "../machine/host-services.js";
import type { Link, NetworkClock } from "../network/link.js";
import type { EgressPolicy } from "../network/nat/egress.js";
import type { SharedFolder } from "../share/shared-folder.js";
import type { MachineFile } from "../snapshot/machine-file.js";
import type { BlockBackend } from "../storage/block-backend.js";
import type { BaseImage } from "../storage/captured-disk.js";

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
  /** For links. */
  readonly networkClock: NetworkClock;
  /**
   * Opens what a network device can be plugged into.
   *
   * @param options `mtu`: of the device
   * @throws VivariumError `network/unsupported` for what there is not here, and others of `network/`
   */
  openLink(request: LinkRequest, options: { readonly mtu: number }): Promise<OpenLink>;
}

/** What a network device can be plugged into, opened. */
export interface OpenLink {
  readonly link: Link;
  /** What the guest may reach, where there is a say in it. */
  readonly egress?: EgressPolicy;
  /** Lets a port of the host lead to one of the guest. @returns a function that ends it @throws `network/forward` */
  addForward?(forward: PortForward): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

/** A folder that the worker has opened. */
export interface OpenShare {
  readonly folder: SharedFolder;
  close(): void;
}

/** A guest's sockets for other programs, at a path. */
export interface OpenSockets {
  /** From now on they are those of this device's guest. */
  attach(device: VirtioVsock): void;
  close(): Promise<void>;
}

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
   * A disk in what the caller named as a file, which the worker closes when the machine is done with it.
   *
   * @param drive for messages: `disk0`
   * @throws VivariumError `drive/unusable`
   */
  openDrive(drive: string, name: string, readOnly: boolean): Promise<BlockBackend>;
  /** As `openDrive`, but only to be read, below a disk that the machine has for itself. */
  openBase(drive: string, name: string): Promise<BaseImage>;
  /** @param directory a path in Node, a FileSystemDirectoryHandle in a browser @throws VivariumError `share/unusable` */
  openShare(directory: string | object, readOnly: boolean): Promise<OpenShare>;
  /** @throws VivariumError `vsock/socket` when there is no listening at the path */
  openSockets(path: string): Promise<OpenSockets>;
  /** @throws VivariumError when it is not there, in use, or no machine file of this version */
  openMachineFile(name: string): Promise<OpenMachineFile>;
  /** @throws VivariumError `file/exists` among others */
  createMachineFile(name: string): Promise<OpenMachineFile>;
}
