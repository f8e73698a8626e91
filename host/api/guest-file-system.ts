import type { AgentClient } from "../guest-agent/agent-client.js";
import { type FileEntry, type FileStat, GuestFiles } from "../guest-agent/guest-files.js";
import type { QemuGuestAgent } from "../guest-agent/qemu-guest-agent.js";
import { SystemCallProcess } from "../guest-agent/system-call-process.js";
import { VivariumError } from "../util/errors.js";
import { type Limits, within } from "./limits.js";
import type { Platform } from "./platform.js";
import { type Bytes, toBytes } from "./streams.js";

export interface ReadOptions extends Limits {
  /** Of which more is an error; 256 MiB unless given. */
  readonly maxByteLength?: number;
}

export interface WriteOptions extends Limits {
  /** Permission bits of a file that is made, less the guest's umask; 0o644 unless given. */
  readonly mode?: number;
  /** Behind what is there, rather than in its place. */
  readonly append?: boolean;
  /** Refuses, with `file/exists`, to touch a file that is there. */
  readonly exclusive?: boolean;
}

const READ_MAX_BYTE_LENGTH = 256 * 1024 * 1024;
const FILE_MODE = 0o644;
const DIRECTORY_MODE = 0o755;
/** Operations at a time, each by a process of its own in the guest. */
const PROCESSES_MAX = 8;
/** Processes that are kept for later. */
const IDLE_MAX = 2;

/**
 * The guest's files. Paths are the guest's; relative ones begin at its root.
 *
 * What Linux refuses is a VivariumError with a code such as `file/not-found`, and in its data `path`, `operation`,
 * `errno` and `errnoName`.
 */
export class GuestFileSystem {
  readonly #platform: Platform;
  readonly #client: () => AgentClient;
  readonly #qemuAgent: () => QemuGuestAgent | null;
  readonly #idle: SystemCallProcess[] = [];
  readonly #waiting: (() => void)[] = [];
  #count = 0;

  /**
   * @internal
   * @param client throws when no guest could answer
   * @param qemuAgent who reads and writes instead, in a guest that has that
   */
  constructor(platform: Platform, client: () => AgentClient, qemuAgent: () => QemuGuestAgent | null) {
    this.#qemuAgent = qemuAgent;
    this.#platform = platform;
    this.#client = client;
  }

  /** The whole content. */
  async read(path: string, { maxByteLength = READ_MAX_BYTE_LENGTH, ...limits }: ReadOptions = {}): Promise<Bytes> {
    const what = `read ${path}`;
    const qemuAgent = this.#qemuAgent();
    if (qemuAgent !== null) {
      const read = async () => (await qemuAgent.readFile(path, maxByteLength)) as Bytes;
      return within(this.#platform, what, limits, read);
    }
    return this.#with(what, limits, async (files) => (await files.read(path, maxByteLength)) as Bytes);
  }

  /** The whole content as UTF-8 text. */
  async readText(path: string, options: ReadOptions = {}): Promise<string> {
    return new TextDecoder().decode(await this.read(path, options));
  }

  /** Writes a file, text as UTF-8, in place of what is there unless the options say otherwise. */
  async write(path: string, content: string | Uint8Array, options: WriteOptions = {}): Promise<void> {
    const { mode = FILE_MODE, append = false, exclusive = false, ...limits } = options;
    const qemuAgent = this.#qemuAgent();
    if (qemuAgent !== null) {
      const write = () => qemuAgent.writeFile(path, toBytes(content), append);
      return within(this.#platform, `write ${path}`, limits, write);
    }
    const how = exclusive ? "create" : append ? "append" : "replace";
    return this.#with(`write ${path}`, limits, (files) => files.write(path, toBytes(content), how, mode));
  }

  /** The content as a stream, of a file of any length. */
  readStream(path: string): ReadableStream<Bytes> {
    let chunks: AsyncGenerator<Uint8Array, void> | null = null;
    let finish: () => void = () => {};
    const begin = (): Promise<AsyncGenerator<Uint8Array, void>> =>
      new Promise((resolve, reject) => {
        const use = (files: GuestFiles) =>
          new Promise<void>((done) => {
            finish = done;
            resolve(files.readChunks(path));
          });
        this.#with(`read ${path}`, {}, use).catch(reject);
      });
    return new ReadableStream<Bytes>(
      {
        pull: async (controller) => {
          try {
            chunks ??= await begin();
            const next = await chunks.next();
            if (next.done !== true) {
              controller.enqueue(next.value as Bytes);
              return;
            }
            controller.close();
          } catch (error) {
            controller.error(error);
          }
          finish();
        },
        cancel: async () => {
          await chunks?.return();
          finish();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** What is in a directory, by name. */
  list(path: string, limits: Limits = {}): Promise<readonly FileEntry[]> {
    return this.#with(`list ${path}`, limits, (files) => files.list(path));
  }

  /** @param options `followSymlinks`: whether of a symbolic link what it leads to is meant, which is usual */
  stat(path: string, options: Limits & { readonly followSymlinks?: boolean } = {}): Promise<FileStat> {
    const { followSymlinks = true, ...limits } = options;
    return this.#with(`stat ${path}`, limits, (files) => files.stat(path, followSymlinks));
  }

  /** Whether there is something; of a symbolic link, whether there is something where it leads to. */
  exists(path: string, limits: Limits = {}): Promise<boolean> {
    return this.#with(`exists ${path}`, limits, (files) => files.exists(path));
  }

  /**
   * Removes a file or an empty directory.
   *
   * @param options `recursive`: also a directory with all that is in it; what is not there is no error then
   */
  remove(path: string, options: Limits & { readonly recursive?: boolean } = {}): Promise<void> {
    const { recursive = false, ...limits } = options;
    return this.#with(`remove ${path}`, limits, (files) => files.remove(path, recursive));
  }

  /** @param options `recursive`: also those it is in; one that is there already is no error then */
  makeDirectory(
    path: string,
    options: Limits & { readonly recursive?: boolean; readonly mode?: number } = {},
  ): Promise<void> {
    const { recursive = false, mode = DIRECTORY_MODE, ...limits } = options;
    return this.#with(`makeDirectory ${path}`, limits, (files) => files.makeDirectory(path, recursive, mode));
  }

  /** Within one file system. What has the new name already is replaced. */
  rename(from: string, to: string, limits: Limits = {}): Promise<void> {
    return this.#with(`rename ${from}`, limits, (files) => files.rename(from, to));
  }

  /** @param mode permission bits, such as 0o755 */
  setMode(path: string, mode: number, limits: Limits = {}): Promise<void> {
    return this.#with(`setMode ${path}`, limits, (files) => files.setMode(path, mode));
  }

  /** @param target as the link is to say it; nothing need be there */
  makeSymlink(target: string, path: string, limits: Limits = {}): Promise<void> {
    return this.#with(`makeSymlink ${path}`, limits, (files) => files.makeSymlink(target, path));
  }

  /** Where a symbolic link leads to, as it says. */
  readSymlink(path: string, limits: Limits = {}): Promise<string> {
    return this.#with(`readSymlink ${path}`, limits, (files) => files.readSymlink(path));
  }

  #with<T>(what: string, limits: Limits, use: (files: GuestFiles) => Promise<T>): Promise<T> {
    return within(this.#platform, what, limits, async (onGiveUp) => {
      let process: SystemCallProcess | null = null;
      let hasGivenUp = false;
      onGiveUp(() => {
        hasGivenUp = true;
        process?.kill(new VivariumError("file/interrupted", `${what}: given up`));
      });
      process = await this.#take();
      try {
        if (hasGivenUp) throw new VivariumError("file/interrupted", `${what}: given up`);
        return await use(new GuestFiles(process));
      } finally {
        this.#giveBack(process);
      }
    });
  }

  /** A process of our own, as soon as there is one. */
  async #take(): Promise<SystemCallProcess> {
    const client = this.#client();
    while (this.#count >= PROCESSES_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#count++;
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) if (idle.isUsable) return idle;
    return new SystemCallProcess(client);
  }

  #giveBack(process: SystemCallProcess): void {
    this.#count--;
    if (!process.isUsable || this.#idle.length >= IDLE_MAX) process.close();
    else this.#idle.push(process);
    this.#waiting.shift()?.();
  }
}
