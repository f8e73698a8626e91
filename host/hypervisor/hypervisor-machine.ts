import type { ForkOptions } from "../api/call-options.js";
import { MachineBase } from "../api/machine.js";
import type { MachineSetup } from "../api/messages.js";
import type { Platform } from "../api/platform.js";
import type { MachineSnapshot } from "../api/snapshot.js";
import type {
  Load,
  MachineChange,
  MachineSpec,
  MachineView,
  SnapshotView,
  Usage,
} from "../control/hypervisor/schemas.js";
import type { ImageProgress } from "../images/image.js";
import { VivariumError } from "../util/errors.js";

/** What a machine's handle lets the hypervisor do. */
export interface MachineControls {
  view(): MachineView;
  start(): Promise<void>;
  stop(): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  reset(): Promise<void>;
  hibernate(): Promise<void>;
  set(change: MachineChange): Promise<void>;
  fork(count: number, names: readonly string[] | undefined, snapshot: string | undefined): Promise<HypervisorMachine[]>;
  snapshots(): Promise<readonly SnapshotView[]>;
  save(): Promise<void>;
  saveSnapshot(name: string): Promise<SnapshotView>;
  restoreSnapshot(name: string): Promise<void>;
  deleteSnapshot(name: string): Promise<void>;
}

export interface HypervisorForkOptions {
  /** How many machines; as many as there are names, or 1, unless given. */
  readonly count?: number;
  /** NAME-1, NAME-2 and so on unless given. */
  readonly names?: readonly string[];
  /** The name of a snapshot in the machine's file that they go on from; from the present unless given. */
  readonly snapshot?: string;
}

/** The points of a machine's history in its file. */
export interface FileSnapshots {
  /** Oldest first. */
  list(): Promise<readonly SnapshotView[]>;
  /** Keeps the machine as it is, also while it runs. @throws VivariumError `snapshot/name`, `file/full` */
  create(name: string): Promise<SnapshotView>;
  /** The machine goes on from there; one that does not run sleeps there. @throws VivariumError `snapshot/unknown` */
  restore(name: string): Promise<void>;
  /** @throws VivariumError `snapshot/unknown`, `snapshot/present` for the one that the machine goes on from */
  delete(name: string): Promise<void>;
}

/**
 * A machine of a hypervisor: all that a `Machine` is, in a worker that it shares with others, and with a file of its own.
 * It is there whether it runs, is off, or sleeps in its file, from where it wakes when something is asked of it.
 */
export class HypervisorMachine extends MachineBase {
  /** The points of its history in its file; `snapshot` of `Machine` keeps one in memory only. */
  readonly snapshots: FileSnapshots;
  readonly #controls: MachineControls;
  #heldSnapshots = 0;

  /** @internal Made by the hypervisor. */
  constructor(
    platform: Platform,
    setup: MachineSetup,
    controls: MachineControls,
    onProgress: (progress: ImageProgress) => void,
  ) {
    super(platform, setup, onProgress);
    this.#controls = controls;
    this.snapshots = {
      list: () => controls.snapshots(),
      create: (name) => controls.saveSnapshot(name),
      restore: (name) => controls.restoreSnapshot(name),
      delete: (name) => controls.deleteSnapshot(name),
    };
  }

  get name(): string {
    return this.spec.name;
  }

  get spec(): MachineSpec {
    return this.view().spec;
  }

  /** Everything there is to see of it. */
  view(): MachineView {
    return this.#controls.view();
  }

  /** What it has used all its life. */
  get usage(): Usage {
    return this.view().usage;
  }

  /** What it does now. */
  get load(): Load {
    return this.view().load;
  }

  /** @internal Whether snapshots in the worker's memory keep it there. */
  get isPinned(): boolean {
    return this.#heldSnapshots > 0;
  }

  /** Changes it, also while it runs. */
  set(change: MachineChange): Promise<void> {
    return this.#controls.set(change);
  }

  /** Switches it on, lets it go on, or wakes it. */
  override start(): Promise<void> {
    return this.#controls.start();
  }

  override pause(): Promise<void> {
    return this.#controls.pause();
  }

  override resume(): Promise<void> {
    return this.#controls.resume();
  }

  override reset(): Promise<void> {
    return this.#controls.reset();
  }

  override stop(): Promise<void> {
    return this.#controls.stop();
  }

  /** Saves it to its file and frees its memory; whatever is asked of it wakes it. */
  hibernate(): Promise<void> {
    return this.#controls.hibernate();
  }

  override async fork(options: ForkOptions | HypervisorForkOptions = {}): Promise<this[]> {
    const { count, names, snapshot } = options as HypervisorForkOptions;
    if (snapshot !== undefined && typeof snapshot !== "string") {
      throw new VivariumError("option/invalid", "snapshot: expected the name of a snapshot in the machine's file");
    }
    const forks = await this.#controls.fork(count ?? names?.length ?? 1, names, snapshot);
    return forks as this[];
  }

  /** The machine stays in its worker's memory as long as it has such snapshots; they end with its next sleep. */
  override async snapshot(name = ""): Promise<MachineSnapshot> {
    const taken = await super.snapshot(name);
    this.#heldSnapshots++;
    return taken;
  }

  /** Saves it to its own file, as the point that it goes back to when its worker breaks. */
  override async save(file?: string, { name }: { readonly name?: string } = {}): Promise<void> {
    if (file !== undefined) {
      const message = "save: a machine of a hypervisor has a file of its own; export it for another one";
      throw new VivariumError("option/invalid", message, { option: "file" });
    }
    if (name === undefined) await this.#controls.save();
    else await this.#controls.saveSnapshot(name);
  }

  /** Switches it off at once; it stays there. */
  override close(): Promise<void> {
    return this.#controls.stop();
  }

  /** @internal The machine has left its worker's memory, and with it what was kept there. */
  forgetSnapshots(): void {
    this.#heldSnapshots = 0;
  }

  /** @internal There is no such machine any more. */
  release(): Promise<void> {
    return super.close();
  }
}
