import type { ImageProgress } from "../images/image.js";
import type { Identity } from "../machine/machine.js";
import type { Halt } from "../machine/run-loop.js";
import { VIRTIO_SLOTS } from "../machine/virtio-slots.js";
import { unreachable, VivariumError } from "../util/errors.js";
import { checkOptions, checkText } from "./arguments.js";
import {
  connectionsOf,
  type ExecOptions,
  type ExecResult,
  FORK_NAMES,
  type ForkOptions,
  OPEN_NAMES,
  type OpenOptions,
  REPLAY_NAMES,
  type ReplayOptions,
  setupOfReplay,
} from "./call-options.js";
import { GuestAgents } from "./guest-agents.js";
import { GuestCommands } from "./guest-commands.js";
import { GuestFileSystem } from "./guest-file-system.js";
import { type Command, type GuestProcess, RunningProcess, type SpawnOptions } from "./guest-process.js";
import { type Limits, within } from "./limits.js";
import { MachineBalloon } from "./machine-balloon.js";
import { MachineConsole } from "./machine-console.js";
import { type MachineEvents, MachineListeners } from "./machine-events.js";
import { MachineInput } from "./machine-inputs.js";
import { MachineNetwork } from "./machine-network.js";
import { type MachineOptions, setupOf } from "./machine-options.js";
import { type GuestSocket, MachineSockets, type SocketListener } from "./machine-sockets.js";
import { type MachineSetup, type MachineStatus, NO_SETUP, unpackError, type WorkerStats } from "./messages.js";
import { forFork, type NetworkOptions } from "./network-options.js";
import { buffersOf } from "./packed-state.js";
import type { Platform } from "./platform.js";
import { Remote, type WorkerEvent } from "./remote.js";
import type { ReplayReport } from "./replay.js";
import { MachineSnapshot } from "./snapshot.js";

const SHUTDOWN_TIMEOUT_MS = 30_000;

/**
 * A RISC-V machine in a worker of its own: the thread that uses it stays free.
 *
 * What can go wrong rejects with a VivariumError, whose `code` is for programs.
 */
export class MachineBase {
  /** The guest's files. */
  readonly files: GuestFileSystem;
  /** The guest's serial console. */
  readonly console: MachineConsole;
  /** By which memory is taken from the guest, if it was made with one. */
  readonly balloon: MachineBalloon;
  readonly #platform: Platform;
  #setup: MachineSetup;
  readonly #remote: Remote;
  readonly #agents: GuestAgents;
  readonly #commands: GuestCommands;
  readonly #sockets: readonly MachineSockets[];
  #networks: readonly MachineNetwork[] = [];
  #inputs: readonly MachineInput[] = [];
  readonly #listeners = new MachineListeners();
  readonly #onProgress: (progress: ImageProgress) => void;
  #status: MachineStatus = "off";
  #closed: VivariumError | null = null;
  readonly #closeCallbacks = new Set<(error: Error) => void>();

  /** @internal A machine is made by `create`, `open` or `fork`. */
  constructor(platform: Platform, setup: MachineSetup, onProgress: (progress: ImageProgress) => void = () => {}) {
    this.#platform = platform;
    this.#setup = setup;
    this.#onProgress = onProgress;
    this.#remote = new Remote(
      platform.startWorker(),
      (event) => this.#handle(event),
      (error) => {
        this.#setOff("the machine's worker has ended");
        this.#listeners.emit("failure", error);
      },
    );
    const checkOn = () => this.#checkOn();
    this.#agents = new GuestAgents({ platform, remote: this.#remote, checkOn });
    this.#agents.setPorts(setup.ports);
    this.#commands = new GuestCommands(platform, this.#agents);
    this.files = new GuestFileSystem(
      platform,
      () => this.#agents.present(),
      () => this.#agents.presentQemu(),
    );
    this.console = new MachineConsole({
      type: (bytes) => this.#remote.tell({ kind: "type", bytes }),
      resize: (columns, rows) => this.#remote.tell({ kind: "resize", columns, rows }),
      hold: (hold) => this.#remote.tell({ kind: "hold-console", hold }),
      taken: (byteLength) => this.#remote.tell({ kind: "console-taken", byteLength }),
    });
    this.balloon = new MachineBalloon(this.#remote);
    this.#sockets = VIRTIO_SLOTS.socket.map(
      (_, index) => new MachineSockets((message) => this.#remote.tell({ kind: "socket", index, message })),
    );
  }

  /** @internal */
  static async createOn<M extends MachineBase>(
    this: new (
      ...args: ConstructorParameters<typeof MachineBase>
    ) => M,
    platform: Platform,
    options: MachineOptions,
  ): Promise<M> {
    const { signal, start = true } = options;
    const setup = setupOf(options, (into) => platform.randomBytes(into));
    if (signal?.aborted === true) throw signal.reason;
    const machine = new this(platform, setup, options.onProgress);
    try {
      return await within(platform, "create", signal === undefined ? {} : { signal }, async () => {
        await machine.make(options.networks, options.record ?? null);
        if (start) await machine.start();
        return machine;
      });
    } catch (error) {
      await machine.close();
      throw error;
    }
  }

  /** @internal Opens what the machine is made of; it is off then. */
  async make(networks: readonly NetworkOptions[] = [], record: string | null = null): Promise<void> {
    await this.connectDevices(this.#setup, networks);
    this.#setup = await this.#remote.call("create", { setup: this.#setup, record });
  }

  /** @internal The devices that the machine has, and what its networks are plugged into. */
  async connectDevices(setup: MachineSetup, networks: readonly NetworkOptions[]): Promise<void> {
    this.#setup = setup;
    this.#agents.setPorts(setup.ports);
    this.#inputs = setup.inputs.map(
      (kind, index) => new MachineInput(kind, (events) => this.#remote.tell({ kind: "input", index, events })),
    );
    this.#networks = setup.networks.map(
      (network, index) =>
        new MachineNetwork(this.#platform, network, (message, transfer) =>
          this.#remote.tell({ kind: "link", index, message }, transfer),
        ),
    );
    for (const [index, options] of networks.entries()) await this.#networks[index]!.plug(options);
  }

  /** @internal */
  static async openOn<M extends MachineBase>(
    this: new (
      ...args: ConstructorParameters<typeof MachineBase>
    ) => M,
    platform: Platform,
    name: string,
    options: OpenOptions,
  ): Promise<M> {
    checkText("open", name);
    const {
      snapshot,
      identity,
      replay,
      record = false,
      start = true,
      signal,
      ...rest
    } = checkOptions("open", options, OPEN_NAMES);
    if (replay !== undefined && snapshot !== undefined) {
      throw new VivariumError("option/invalid", "snapshot and replay exclude each other: both say where to go on");
    }
    if (signal?.aborted === true) throw signal.reason;
    const machine = new this(platform, NO_SETUP);
    try {
      return await within(platform, "open", signal === undefined ? {} : { signal }, async () => {
        const connections = connectionsOf(rest);
        const place = { snapshot: snapshot ?? null, replay: setupOfReplay(replay) };
        const argument = { name, ...place, identity: identity ?? null, connections, record };
        const { setup } = await machine.#remote.call("open", argument);
        await machine.connectDevices(setup, rest.networks ?? []);
        if (start) await machine.start();
        return machine;
      });
    } catch (error) {
      await machine.close();
      throw error;
    }
  }

  /** @internal */
  static async replayOn(platform: Platform, name: string, options: ReplayOptions): Promise<ReplayReport> {
    checkText("replay", name);
    const { onConsole, signal, ...place } = checkOptions("replay", options, REPLAY_NAMES);
    if (signal?.aborted === true) throw signal.reason;
    const machine = new MachineBase(platform, NO_SETUP);
    try {
      return await within(platform, "replay", signal === undefined ? {} : { signal }, async () => {
        const heard = onConsole === undefined ? null : hear(machine.console.readable, onConsole);
        const argument = {
          name,
          snapshot: null,
          identity: null,
          record: false,
          connections: connectionsOf({}),
          replay: setupOfReplay(place),
        };
        const { replayed } = await machine.#remote.call("open", argument);
        await machine.close();
        await heard;
        return replayed!;
      });
    } finally {
      await machine.close();
    }
  }

  /** What the machine does. */
  get status(): MachineStatus {
    return this.#status;
  }

  /** Whether the guest's agent answers: what `ready` waits for. */
  get isAgentReady(): boolean {
    return this.#agents.isReady;
  }

  /** Its network devices, in their order: what each is plugged into can change at any time. */
  get networks(): readonly MachineNetwork[] {
    return this.#networks;
  }

  /** Its keyboards and tablets, in their order. */
  get inputs(): readonly MachineInput[] {
    return this.#inputs;
  }

  /**
   * Connects to a port of the guest by a socket (vsock), where a process listens.
   *
   * @throws VivariumError `socket/refused` when nobody does, or the guest is not that far; `socket/absent`
   */
  connect(port: number, limits: Limits = {}): Promise<GuestSocket> {
    return within(this.#platform, `connect to vsock port ${port}`, limits, (onGiveUp) =>
      this.#socketDevice.connect(port, onGiveUp),
    );
  }

  /**
   * Lets the guest connect to a port of the host (vsock, address 2).
   *
   * @returns a function that ends it; connections stay
   * @throws VivariumError `vsock/port` when it is listened on already, `socket/absent`
   */
  listen(port: number, listener: SocketListener): () => void {
    return this.#socketDevice.listen(port, listener);
  }

  /**
   * Calls back with each such event.
   *
   * @returns a function that ends it
   */
  on<E extends keyof MachineEvents>(event: E, callback: (event: MachineEvents[E]) => void): () => void {
    return this.#listeners.on(event, callback);
  }

  /** Switches the machine on, or lets one that is paused go on. */
  async start(): Promise<void> {
    await this.#remote.call("start", undefined);
  }

  /** The machine stands still amid everything, until `resume`. @throws VivariumError `machine/status` when it is off */
  async pause(): Promise<void> {
    await this.#remote.call("pause", undefined);
  }

  /** A machine that is paused goes on. @throws VivariumError `machine/status` when it is off */
  async resume(): Promise<void> {
    await this.#remote.call("resume", undefined);
  }

  /** Off and on again at once, as by a switch; on, when it is off. What was not written to disks is lost. */
  async reset(): Promise<void> {
    await this.#remote.call("reset", undefined);
  }

  /** Switches the machine off at once. What was not written to disks is lost; `start` begins anew. */
  async stop(): Promise<void> {
    await this.#remote.call("stop", undefined);
  }

  /**
   * Asks the guest to switch itself off, and waits until it has. One that is paused does when it is resumed.
   *
   * @throws VivariumError `timeout` when it does not within `timeoutMs`, 30 seconds unless given; it runs on then.
   *   `machine/status` when it is off
   */
  async shutdown({ timeoutMs = SHUTDOWN_TIMEOUT_MS, ...rest }: Limits = {}): Promise<Halt> {
    return within(this.#platform, "shutdown", { timeoutMs, ...rest }, async (onGiveUp) => {
      const qemuAgent = this.#agents.presentQemu();
      const halted = this.halted();
      // Whoever gives up does not wait for it.
      halted.catch(() => {});
      if (qemuAgent !== null) {
        qemuAgent.shutdown();
        return halted;
      }
      const command = new RunningProcess(this.#agents.present(), ["poweroff"], {});
      onGiveUp(() => command.abandon());
      // A guest that is off does not say how its command ended.
      const refused = command.started.then(
        () => halted,
        async (error: VivariumError) => {
          if (error.code === "agent/lost") return halted;
          throw error;
        },
      );
      return Promise.race([halted, refused]);
    });
  }

  /** Resolves when the guest next ends itself. */
  halted(): Promise<Halt> {
    if (this.#closed !== null) return Promise.reject(this.#closed);
    return new Promise((resolve, reject) => {
      const give = (halt: Halt): void => settle(() => resolve(halt));
      const fail = (error: Error): void => settle(() => reject(error));
      const stops = [this.on("halt", give), this.on("failure", fail), this.#onClose(fail)];
      const settle = (then: () => void): void => {
        for (const stop of stops) stop();
        then();
      };
    });
  }

  /** Resolves when the guest has come up: its agent answers. */
  async ready(limits: Limits = {}): Promise<void> {
    await within(this.#platform, "ready", limits, async () => {
      const qemuAgent = this.#agents.presentQemu();
      if (qemuAgent !== null) return qemuAgent.ping();
      const agent = this.#agents.present();
      await new Promise<void>((resolve, reject) => {
        const stops = [
          this.on("status", (status) => status === "off" && settle(() => reject(isOff()))),
          this.#onClose((error) => settle(() => reject(error))),
        ];
        const settle = (then: () => void): void => {
          for (const stop of stops) stop();
          then();
        };
        agent.whenReady(() => settle(resolve));
      });
    });
  }

  /**
   * Runs a command to its end, as soon as the guest has come up.
   *
   * A limit that is reached ends the command and what it has started.
   *
   * @throws VivariumError `exec/not-found`, `exec/not-executable`, `exec/directory`, `exec/arguments`,
   *   `exec/output-too-large`, `timeout`, `agent/lost`, `agent/absent`, `machine/status`
   */
  exec(command: Command, options: ExecOptions = {}): Promise<ExecResult> {
    return this.#commands.exec(command, options);
  }

  /**
   * Starts a process and returns when it runs.
   *
   * The limits are for the start; a signal that aborts later ends the process.
   *
   * @throws VivariumError as `exec` does; `exec/terminal` when the guest has no terminal to give
   */
  spawn(command: Command, options: SpawnOptions & Limits = {}): Promise<GuestProcess> {
    return this.#commands.spawn(command, options);
  }

  /**
   * Keeps the machine as it is now, in memory, to come back to; it runs on.
   *
   * @param name for people
   * @throws VivariumError `machine/status` when it has been switched off
   */
  async snapshot(name = ""): Promise<MachineSnapshot> {
    const { id, instructions } = await this.#remote.call("snapshot", undefined);
    return new MachineSnapshot(name, instructions, id, this.#remote);
  }

  /**
   * Puts the machine back to a snapshot of its own; it runs on from there, or stands still if it did not run.
   *
   * Processes that run now are no more, and those that ran then are nobody's: see `GuestProcess`.
   *
   * @param options `identity`: `renewed` gives it random numbers and addresses of its own
   */
  async restore(
    snapshot: MachineSnapshot,
    { identity = "kept" }: { readonly identity?: Identity } = {},
  ): Promise<void> {
    const id = this.#ownSnapshot(snapshot);
    this.#agents.expectAnother();
    await this.#remote.call("restore", { id, identity });
  }

  /**
   * Other machines that go on from here, each with random numbers and addresses of its own, in a worker of its own.
   * They run if this one does.
   *
   * @throws VivariumError `machine/status` when it has been switched off, unless they go on from a snapshot
   */
  async fork(options: ForkOptions = {}): Promise<this[]> {
    const { count = 1, snapshot, identity = "renewed", networks } = checkOptions("fork", options, FORK_NAMES);
    if (!Number.isInteger(count) || count < 1) {
      throw new VivariumError("option/invalid", `count: ${count}; expected 1 or more`, { option: "count" });
    }
    if (this.#closed !== null) throw this.#closed;
    const id = snapshot === undefined ? null : this.#ownSnapshot(snapshot);
    const isRunning = this.#status === "running";
    // Their workers come up while the state is packed.
    const forks = Array.from({ length: count }, () => this.#sibling());
    try {
      const { core, states } = await this.#remote.call("pack", { id, count });
      await Promise.all(
        forks.map(async (fork, index) => {
          await fork.connectDevices(
            fork.#setup,
            networks?.(index) ?? this.#networks.map(({ options }) => forFork(options)),
          );
          const argument = { setup: fork.#setup, core, state: states[index]!, identity, start: isRunning };
          await fork.#remote.call("adopt", argument, buffersOf(argument.state));
        }),
      );
      return forks;
    } catch (error) {
      await Promise.all(forks.map((fork) => fork.close()));
      throw error;
    }
  }

  /**
   * Saves the whole machine to a file, from which `open` goes on, here or elsewhere; it runs on.
   *
   * @param file a new one; unless given, the one that the machine was opened from or last saved to
   * @param options `name`: keeps this point in the file under a name, also when the machine is saved again
   * @throws VivariumError `file/exists` when there is such a file already, `machine/status` when it has been switched off
   */
  async save(file?: string, { name }: { readonly name?: string } = {}): Promise<void> {
    if (file !== undefined) checkText("save", file);
    await this.#remote.call("save", { name: file ?? null, label: name ?? null });
  }

  /** What the machine has done since it was last switched on. */
  stats(): Promise<WorkerStats> {
    return this.#remote.call("stats", undefined);
  }

  /** A hash over processors, memory and devices of a machine that does not run. */
  stateHash(): Promise<string> {
    return this.#remote.call("stateHash", undefined);
  }

  /** Switches the machine off at once and gives back everything it uses. Safe to call twice. */
  async close(): Promise<void> {
    if (this.#closed !== null) return;
    this.#closed = new VivariumError("machine/closed", "the machine has been closed");
    this.#agents.failAll(this.#closed);
    for (const callback of [...this.#closeCallbacks]) callback(this.#closed);
    try {
      await this.#remote.call("close", undefined);
    } catch {
      // A worker that cannot close anything has ended.
    }
    this.#remote.terminate(this.#closed);
    for (const sockets of this.#sockets) sockets.closeAll();
    const closed = this.#closed;
    await Promise.all(this.#networks.map((network) => network.end(closed)));
    this.#setOff("the machine was closed");
    this.console.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** A machine of the same class that is nothing yet. */
  #sibling(): this {
    const Sibling = this.constructor as new (platform: Platform, setup: MachineSetup) => this;
    // A path can be listened on once.
    const sockets = this.#setup.sockets.map(({ cid }) => ({ cid, path: null }));
    return new Sibling(this.#platform, { ...this.#setup, sockets });
  }

  get #socketDevice(): MachineSockets {
    if (this.#closed !== null) throw this.#closed;
    if (this.#setup.sockets.length > 0) return this.#sockets[0]!;
    throw new VivariumError("socket/absent", "this machine has no sockets; give `create` sockets: [{}]");
  }

  #ownSnapshot(snapshot: MachineSnapshot): number {
    const id = snapshot instanceof MachineSnapshot ? snapshot.idIn(this.#remote) : null;
    if (id !== null) return id;
    throw new VivariumError("snapshot/unknown", "expected a snapshot of this machine's that has not been deleted");
  }

  /** @throws VivariumError when no guest could answer */
  #checkOn(): void {
    if (this.#closed !== null) throw this.#closed;
    if (this.#status === "off") throw isOff();
  }

  #onClose(callback: (error: Error) => void): () => void {
    this.#closeCallbacks.add(callback);
    return () => void this.#closeCallbacks.delete(callback);
  }

  #handle(event: WorkerEvent): void {
    switch (event.kind) {
      case "progress":
        this.#onProgress(event.progress);
        return;
      case "status":
        if (event.status === "off") this.#setOff("the machine was switched off");
        else this.#setStatus(event.status);
        return;
      case "halt":
        this.#listeners.emit("halt", event.halt);
        return;
      case "reboot":
        this.#listeners.emit("reboot", undefined);
        return;
      case "port-open":
        this.#agents.openChanged(event.port, event.open);
        return;
      case "port":
        this.#agents.receive(event.port, event.bytes);
        return;
      case "link":
        this.#networks[event.index]?.receive(event.message);
        return;
      case "socket":
        this.#sockets[event.index]?.receive(event.message);
        return;
      case "input":
        this.#inputs[event.index]?.receive(event.event);
        return;
      case "console":
        this.console.receive(event.bytes);
        return;
      case "typed":
        this.console.typed(event.byteLength);
        return;
      case "failure":
        this.#listeners.emit("failure", unpackError(event.error));
        return;
      case "recording-failure":
        this.#listeners.emit("recordingFailure", unpackError(event.error));
        return;
      default:
        unreachable(event);
    }
  }

  #setOff(why: string): void {
    this.#agents.lose(new VivariumError("agent/lost", `${why}: what became of the process is not known`));
    this.#setStatus("off");
  }

  #setStatus(status: MachineStatus): void {
    if (status === this.#status) return;
    this.#status = status;
    this.#listeners.emit("status", status);
  }
}

/** Resolves at the stream's end. */
async function hear(stream: ReadableStream<Uint8Array>, callback: (bytes: Uint8Array) => void): Promise<void> {
  const reader = stream.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) callback(next.value);
}

function isOff(): VivariumError {
  return new VivariumError("machine/status", "the machine is off; start it first");
}
