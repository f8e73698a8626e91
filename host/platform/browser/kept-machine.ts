import { MachineBase } from "../../api/machine.js";
import { type MachineOptions, setupOf } from "../../api/machine-options.js";
import type { ReplayReport } from "../../api/replay.js";
import type { Snapshot as SavedSnapshot } from "../../snapshot/machine-file.js";
import { assert } from "../../util/errors.js";
import { BrowserPlatform, type BrowserSite } from "./browser-platform.js";
import type { FileClient } from "./file-client.js";
import type { FilePlace } from "./file-messages.js";

export type { FilePlace, SavedSnapshot };

export interface KeptMachineOptions extends Omit<MachineOptions, "start" | "drives"> {
  readonly place: FilePlace;
  /** A machine file that takes the place of what is there. */
  readonly contents?: Blob;
}

/** A machine with a file that keeps it, in a worker of a browser's. */
export class KeptMachine {
  readonly machine: MachineBase;
  /** What the guest had written last when the machine was saved; empty for a new machine. */
  readonly console: Uint8Array;
  readonly #file: FileClient;

  private constructor(machine: MachineBase, file: FileClient, console: Uint8Array) {
    this.machine = machine;
    this.#file = file;
    this.console = console;
  }

  /**
   * The machine in a file, paused where it was left; or, where there is none, a new one that is off.
   *
   * @param options what a new machine is made of. Of one from a file the board is what it was; image, kernel and the
   *   like are for when its guest starts anew.
   * @throws VivariumError `storage/none`, `file/in-use`, `file/not-a-machine`, `file/damaged`, `file/too-new`,
   *   `file/full`, and those of `Machine.create`
   */
  static async open(site: BrowserSite, { place, contents, ...options }: KeptMachineOptions): Promise<KeptMachine> {
    let file: FileClient | undefined;
    const platform = new BrowserPlatform(site, (started) => {
      file ??= started;
    });
    const setup = setupOf(options, (into) => platform.randomBytes(into));
    const machine = new MachineBase(platform, setup, options.onProgress);
    assert(file !== undefined, "a machine has a worker");
    try {
      const argument = contents === undefined ? { place, setup } : { place, contents, setup };
      const opened = await file.call("open", argument);
      if (opened.machine === null) await machine.make(options.networks, null);
      else
        await machine.connectDevices(opened.machine, (options.networks ?? []).slice(0, opened.machine.networks.length));
      return new KeptMachine(machine, file, opened.console);
    } catch (error) {
      await machine.close();
      throw error;
    }
  }

  /**
   * Saves the machine as it is; it may run meanwhile.
   *
   * @param options `name`: the point stays, to come back to; `console`: what the guest has written last, for who opens
   *   the file
   * @throws VivariumError `machine/status`, `snapshot/name`, `file/full`, `file/io`; the file holds what it held before
   */
  save(options: { readonly name?: string; readonly console: Uint8Array }): Promise<SavedSnapshot> {
    return this.#file.call("save", options);
  }

  /** Oldest first. */
  snapshots(): Promise<readonly SavedSnapshot[]> {
    return this.#file.call("list", undefined);
  }

  /** The machine goes on from there, running or not as it was. @returns what the guest had written last */
  restore({ id }: SavedSnapshot): Promise<Uint8Array> {
    return this.#file.call("restore", { id });
  }

  /** @throws VivariumError `snapshot/present` for the one that the machine goes on from */
  delete({ id }: SavedSnapshot): Promise<void> {
    return this.#file.call("delete", { id });
  }

  /**
   * Begins to record what reaches the machine from outside, or ends that: see `Machine.replay`. A restore begins another
   * history.
   *
   * @throws VivariumError `machine/status` when it is off, `file/full`
   */
  record(on: boolean): Promise<void> {
    return this.#file.call("record", { on });
  }

  /** Whether there is a history to be run again. */
  hasHistory(): Promise<boolean> {
    return this.#file.call("hasHistory", undefined);
  }

  /**
   * Runs the newest history again: what the guest wrote, it writes again to the console. The machine is paused then,
   * where it was.
   *
   * @param options `signal`: gives it up
   * @throws VivariumError `replay/nothing`, `replay/diverged`, `replay/cancelled` when the signal aborts
   */
  async replay({ signal }: { readonly signal?: AbortSignal } = {}): Promise<ReplayReport> {
    const cancel = () => void this.#file.call("cancelReplay", undefined).catch(() => {});
    const done = this.#file.call("replay", undefined);
    signal?.addEventListener("abort", cancel);
    if (signal?.aborted === true) cancel();
    return done.finally(() => signal?.removeEventListener("abort", cancel));
  }

  /** The file as it was last saved. */
  contents(): Promise<Blob> {
    return this.#file.call("contents", undefined);
  }

  /** Switches the machine off at once, and lets go of the file. */
  async close(): Promise<void> {
    try {
      // Before the file, from which the machine still reads.
      await this.machine.stop();
      await this.#file.call("close", undefined);
    } finally {
      await this.machine.close();
    }
  }
}
