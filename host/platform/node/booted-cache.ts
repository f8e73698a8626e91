import { createHash, randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { mkdir, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { MachineRequest } from "../../control/actions.js";
import type { GuestMode } from "../../images/command-line.js";
import type { MachineState } from "../../machine/machine.js";
import { VivariumError } from "../../util/errors.js";
import { readCore } from "./core-module.js";
import { cacheDirectory } from "./images/cache-directory.js";
import { imageStore } from "./images/open-image.js";
import { createMachineFile, openFinishedMachineFile } from "./machine-file/open-machine-file.js";
import { packageVersion } from "./package-version.js";

/** A machine that was booted before, at its prompt or where its agent waits for a command. */
export interface BootedMachine {
  readonly state: MachineState;
  /** What it wrote to its console until then. */
  readonly console: Uint8Array;
  /** The state cannot be used afterwards. */
  close(): Promise<void>;
}

/** Machines for different images, sizes and terminals that are kept; the ones not used for longest go. */
const KEPT_COUNT = 8;
const EXTENSION = ".viv";

/** The booted machine that a request for a plain one can go on from, in a file of the user's cache directory. */
export class BootedCache {
  readonly #directory: string;
  readonly #path: string;

  private constructor(directory: string, key: string) {
    this.#directory = directory;
    this.#path = join(directory, `${key}${EXTENSION}`);
  }

  /**
   * The place for machines of this kind: one for each image, version of this program and of the processor, and size.
   *
   * @returns null for a request that has to be booted: with disks, networks or folders, options for the kernel, or a reckoning to be made
   */
  static async for(request: MachineRequest, mode: GuestMode): Promise<BootedCache | null> {
    const { guest, memoryByteLength, hartCount } = request;
    if (guest.kind !== "image" || guest.firmware !== undefined || guest.append !== "") return null;
    if (request.clock !== "host" || request.virtio !== "modern" || isWatched(request) || hasConnections(request)) {
      return null;
    }
    if (mode.kind === "stay") return null;
    const image = await imageStore().fingerprint(guest.name);
    if (image === null) return null;
    const core = createHash("sha256")
      .update(await readCore())
      .digest("hex");
    const kind = [packageVersion(), core, image, memoryByteLength, hartCount, ...modeOf(mode)];
    const key = createHash("sha256").update(JSON.stringify(kind)).digest("hex").slice(0, 32);
    return new BootedCache(join(cacheDirectory(process.env, homedir()), "booted"), key);
  }

  /** @returns null when there is none, or none that can be used */
  async open(): Promise<BootedMachine | null> {
    try {
      await stat(this.#path);
    } catch {
      return null;
    }
    try {
      const { file, close } = await openFinishedMachineFile(this.#path);
      const { present } = file;
      if (present === null) throw new VivariumError("file/empty", "there is no machine in it");
      const now = new Date();
      await utimes(this.#path, now, now).catch(() => {});
      return { state: file.load(present), console: file.consoleOf(present), close };
    } catch (error) {
      if (!(error instanceof VivariumError)) throw error;
      await this.forget();
      return null;
    }
  }

  /** Keeps a machine that has just been booted. Without room for it, or the right, it is not kept. */
  async keep(state: MachineState, console: Uint8Array): Promise<void> {
    const temporary = join(this.#directory, `.${randomBytes(8).toString("hex")}${EXTENSION}`);
    const remove = () => {
      for (const leftover of ["", ".lock", "-journal"]) rmSync(`${temporary}${leftover}`, { force: true });
    };
    process.once("exit", remove);
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      const { file, close } = await createMachineFile(temporary, `viv ${packageVersion()}`);
      try {
        await file.save(state, { console });
      } finally {
        await close();
      }
      await rename(temporary, this.#path);
      await this.#removeOld();
    } catch {
      remove();
    } finally {
      process.off("exit", remove);
    }
  }

  /** The next machine of this kind is booted. */
  async forget(): Promise<void> {
    await rm(this.#path, { force: true });
  }

  async #removeOld(): Promise<void> {
    const names = (await readdir(this.#directory)).filter((name) => name.endsWith(EXTENSION) && !name.startsWith("."));
    const files = await Promise.all(
      names.map(async (name) => ({ name, mtimeMs: (await stat(join(this.#directory, name))).mtimeMs })),
    );
    const old = files.sort((a, b) => b.mtimeMs - a.mtimeMs).slice(KEPT_COUNT);
    for (const { name } of old) await rm(join(this.#directory, name), { force: true });
  }
}

/** What of a mode makes another machine. */
function modeOf(mode: Exclude<GuestMode, { kind: "stay" }>): readonly (string | boolean)[] {
  return mode.kind === "agent" ? ["agent"] : [mode.columns !== undefined, mode.terminal ?? ""];
}

/** Whether somebody wants to know what the machine does from the beginning. */
function isWatched({ stats, commitLog, dumpRegion }: MachineRequest): boolean {
  return stats || commitLog !== undefined || dumpRegion !== undefined;
}

/** Whether a machine has what the others do not have. */
function hasConnections({ drives, shares, socket, balloon, inputs, ownDisk, networks }: MachineRequest): boolean {
  const lists = [drives, shares, inputs, networks];
  return lists.some(({ length }) => length > 0) || [socket, balloon, ownDisk].some((item) => item !== undefined);
}
