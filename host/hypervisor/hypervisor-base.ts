import { ACTIONS, type ActionInput, type ActionOutput, type ServiceActionName } from "../control/hypervisor/actions.js";
import type {
  HostView,
  HypervisorEvent,
  ImageView,
  MachineRequest,
  PoolSpec,
  PoolView,
} from "../control/hypervisor/schemas.js";
import type {
  ActionContext,
  CommandTerminal,
  ConsoleSession,
  HypervisorService,
  SpawnOutput,
  SpawnSession,
} from "../control/hypervisor/service.js";
import type { ImageProgress } from "../images/image.js";
import { VivariumError } from "../util/errors.js";
import { perform } from "./actions.js";
import { spawnIn } from "./command-session.js";
import { Division } from "./division.js";
import { EventLog } from "./event-log.js";
import { exportFrom, importInto } from "./file-transfer.js";
import type { HostWorker } from "./host-worker.js";
import type { HypervisorMachine } from "./hypervisor-machine.js";
import { Machines } from "./machines.js";
import type { ManagedMachine } from "./managed-machine.js";
import { checkMemory, MemoryKeeper } from "./memory-keeper.js";
import type { LaneReading } from "./messages.js";
import { totalLoad, totalUsage } from "./meter.js";
import type { HypervisorPlatform, HypervisorStore } from "./platform.js";
import { Pools } from "./pools.js";
import { SaveKeeper } from "./save-keeper.js";
import { Store } from "./store.js";
import { WorkerPool } from "./worker-pool.js";

export interface HypervisorOptions {
  /** Threads that machines run in: as many as the host has processors unless given. */
  readonly workers?: "cores" | number;
  /** What machines may have of the host's memory in all. */
  readonly memoryMiB?: number;
  /** Where everything is kept, as the platform has directories; without one nothing is left when it is closed. */
  readonly directory?: string;
  /** A machine that does not end its turn for so long is ended with its worker. */
  readonly hangTimeoutMs?: number;
  /** Whether `create` waits for the machines that go on; it does unless this is false. */
  readonly awaitsMachines?: boolean;
  /** Whether a machine may be given this directory of the host; none unless given. */
  readonly allowFolder?: (directory: string) => boolean | Promise<boolean>;
}

/** What a program sees of a hypervisor's machines. */
export interface HypervisorMachines {
  /**
   * Makes a machine and, unless `start` is false, switches it on; it does not wait for the guest to come up.
   *
   * @param options `onProgress`: told how far an image is that has to be fetched or made first
   * @throws VivariumError `machine/exists`, `machine/name`, `admission/processors`, `admission/memory`, and those of
   *   `Machine.create`
   */
  create(
    request: MachineRequest,
    options?: { readonly onProgress?: (progress: ImageProgress) => void },
  ): Promise<HypervisorMachine>;
  /** @throws VivariumError `machine/unknown` */
  get(name: string): HypervisorMachine;
  list(): readonly HypervisorMachine[];
  /** Ends a machine at once, and deletes its file with all of its snapshots. @throws VivariumError `machine/unknown` */
  destroy(name: string): Promise<void>;
}

const HANG_TIMEOUT_MS = 30_000;
/** Readings between two times that what was used is written down. */
const READINGS_PER_WRITE = 10;
/** What was not written down for longer than this is not lost when the program is killed. */
const FLUSH_MS = 50;
/** Machines that are saved at a time when all are. */
const SAVED_AT_ONCE = 4;
/** What uses less of a processor idles. */
const IDLE_PROCESSORS = 0.01;
const MIB = 2 ** 20;

/** Many machines on one host: in workers that they share, each with a file of its own. */
export class HypervisorBase implements HypervisorService {
  readonly machines: HypervisorMachines;
  readonly pools: Pools;
  /** @internal */
  readonly managed: Machines;
  readonly #platform: HypervisorPlatform;
  readonly #options: HypervisorOptions;
  readonly #place: HypervisorStore;
  readonly #store: Store;
  readonly #events: EventLog;
  readonly #workers: WorkerPool;
  readonly #memory: MemoryKeeper;
  readonly #saves: SaveKeeper;
  readonly #division: Division;
  readonly #startedAt: number;
  #readings = 0;
  #isBalancing = false;
  #isFlushDue = false;
  #closing: Promise<void> | null = null;
  #resuming: Promise<void> = Promise.resolve();

  /** @internal */
  constructor(platform: HypervisorPlatform, options: HypervisorOptions, place: HypervisorStore) {
    this.#platform = platform;
    this.#options = options;
    this.#place = place;
    this.#startedAt = platform.nowMs();
    this.#store = new Store(place.database, {
      onUnwritten: () => this.#flushSoon(),
      onFailure: ({ message }) =>
        this.#events.tell("host", null, `what happens is not kept for now: hypervisor.db: ${message}`),
      onRecovery: () => this.#events.tell("host", null, "what happens is kept again, all of before included"),
    });
    this.#events = new EventLog(this.#store, () => platform.nowMs());
    this.pools = new Pools(this.#store);
    this.#workers = new WorkerPool(platform, {
      count: workerCount(platform, options),
      hangTimeoutMs: options.hangTimeoutMs ?? HANG_TIMEOUT_MS,
      onReadings: (worker, readings) => this.#read(worker, readings),
      onEnd: (worker, error) => this.#workerEnded(worker, error),
    });
    this.#memory = new MemoryKeeper({
      budgetByteLength: options.memoryMiB === undefined ? platform.memoryByteLength : options.memoryMiB * MIB,
      machines: () => this.managed.all,
      nowMs: () => platform.nowMs(),
      onFailure: (machine, error) => this.#failed(machine, "give up its memory", error),
    });
    this.#saves = new SaveKeeper({
      machines: () => this.managed.all,
      monotonicMs: () => platform.monotonicMs(),
      isIdle: ({ meter }) => meter.load.processors < IDLE_PROCESSORS,
      onFailure: (machine, error) => this.#failed(machine, "be saved by itself", error),
    });
    this.#division = new Division({
      workers: this.#workers,
      pools: () => this.pools.all,
      machines: () => this.managed.all,
    });
    this.managed = new Machines(
      {
        platform,
        chooseWorker: (machine) =>
          machine.isAlone ? this.#workers.cellOf(machine.name) : this.#sharedWorkerFor(machine),
        chooseFileWorker: (machine) => this.#sharedWorkerFor(machine),
        isCell: (worker) => this.#workers.isCell(worker),
        makeRoom: (machine, come) => this.#memory.makeRoom(machine, come),
        fileOf: (machine) => place.machineFile(machine),
        abandonFile: (machine) => place.abandonFile(machine),
        flush: () => this.#store.flush(),
        tell: (kind, machine, message, data) => this.#events.tell(kind, machine, message, data),
      },
      this.#store,
      this.#events,
      { check: (spec) => this.#check(spec), changed: () => this.#division.update() },
    );
    this.machines = this.#machinesApi();
    this.#division.update();
  }

  /** @internal */
  static async createOn<H extends HypervisorBase>(
    this: new (
      ...args: ConstructorParameters<typeof HypervisorBase>
    ) => H,
    platform: HypervisorPlatform,
    options: HypervisorOptions,
  ): Promise<H> {
    const place = await platform.openStore(options.directory ?? null);
    const hypervisor = new this(platform, options, place);
    const resumed = hypervisor.resume();
    if (options.awaitsMachines !== false) await resumed;
    return hypervisor;
  }

  /** @internal Machines that ran when the hypervisor was closed go on, and those that are to start with it are. */
  resume(): Promise<void> {
    this.#resuming = this.#resume();
    return this.#resuming;
  }

  async #resume(): Promise<void> {
    const wanted = new Set(
      this.#store.machines().flatMap(({ spec, wasRunning }) => (wasRunning || spec.autostart ? [spec.name] : [])),
    );
    const machines = this.managed.all.filter(({ name }) => wanted.has(name));
    await eachOf(machines, SAVED_AT_ONCE, async (machine) => {
      if (this.#closing === null) await this.#attempt(machine, "be started", () => machine.startAgain());
    });
  }

  async perform<A extends ServiceActionName>(
    action: A,
    input: ActionInput<A>,
    context: ActionContext,
  ): Promise<ActionOutput<A>> {
    if (this.#closing !== null) throw isClosed();
    const answer = await perform(this, action, input, context);
    // Who has been answered finds it done, also after the program was killed.
    if (!ACTIONS[action].http.startsWith("GET")) this.#store.flush();
    return answer;
  }

  onEvent(listener: (event: HypervisorEvent) => void): () => void {
    return this.#events.on(listener);
  }

  tellOperation(machine: string | null, message: string, data: Readonly<Record<string, unknown>>): void {
    this.#events.tell("operation", machine, message, { ...data });
  }

  /** Events that have happened, oldest first. */
  events(after: number, last: number): readonly HypervisorEvent[] {
    return this.#store.events(after, last);
  }

  /** @internal */
  get platform(): HypervisorPlatform {
    return this.#platform;
  }

  /** @internal */
  get eventLog(): EventLog {
    return this.#events;
  }

  get host(): HostView {
    const { all } = this.managed;
    const count = (status: string) => all.filter((machine) => machine.status === status).length;
    return {
      version: this.#platform.version,
      startedAt: this.#startedAt,
      workers: this.#workers.workers.map((worker) => {
        const here = all.filter((machine) => machine.worker === worker);
        return { processors: here.reduce((sum, { meter }) => sum + meter.load.processors, 0), machines: here.length };
      }),
      processors: this.#workers.sharedCount,
      reservedProcessors: this.#division.reserved,
      memoryBudgetByteLength: this.#memory.budgetByteLength,
      memoryUsedByteLength: this.#memory.usedByteLength,
      machines: { total: all.length, running: count("running"), hibernated: count("hibernated") },
    };
  }

  /** @throws VivariumError `pool/unknown` */
  pool(name: string): PoolView {
    const within = this.pools.within(name);
    const members = this.managed.all.filter(({ spec }) => within.has(spec.pool));
    return {
      spec: this.pools.get(name),
      usage: totalUsage(members.map(({ meter }) => meter.usage)),
      load: totalLoad(members.map(({ meter }) => meter.load)),
      machines: this.managed.all.filter(({ spec }) => spec.pool === name).map((machine) => machine.name),
    };
  }

  async openConsole(
    machine: string,
    receive: (bytes: Uint8Array) => void | Promise<void>,
    ended: (reason: string) => void,
  ): Promise<ConsoleSession> {
    const managed = this.managed.get(machine);
    const stopWatching = managed.console.watch(receive);
    const stopListening = this.#events.on((event) => {
      if (event.kind === "machine-destroyed" && event.machine === machine) {
        close();
        ended(event.message);
      }
    });
    const close = (): void => {
      stopWatching();
      stopListening();
    };
    return {
      type: (bytes) => managed.type(bytes),
      resize: (columns, rows) => managed.handle.console.resize(columns, rows),
      close,
    };
  }

  /** Takes a running machine to another worker; which is done by itself when the load is uneven. */
  async moveMachine(name: string, worker: number): Promise<void> {
    const machine = this.managed.get(name);
    if (machine.spec.isolated) {
      throw new VivariumError("machine/isolated", `${name} is isolated: it has a worker for itself`, { machine: name });
    }
    await machine.move(this.#workers.worker(worker));
  }

  spawn(
    machine: string,
    command: string | readonly string[],
    options: { readonly terminal: CommandTerminal | null },
    output: SpawnOutput,
  ): Promise<SpawnSession> {
    return spawnIn(this.managed.get(machine).handle, command, options, output);
  }

  exportMachine(machine: string, passphrase: string | null): AsyncIterable<Uint8Array> {
    return exportFrom(this.managed.get(machine), passphrase);
  }

  importMachine(
    name: string,
    stream: AsyncIterable<Uint8Array>,
    passphrase: string | null,
    _context: ActionContext,
  ): Promise<void> {
    return importInto(this.managed, name, stream, passphrase);
  }

  /** Saves every machine and ends all workers; nothing is done any more afterwards. Safe to call twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal */
  async putPool(spec: PoolSpec, what: string): Promise<PoolView> {
    this.#division.check({ pool: spec });
    this.pools.put(spec);
    this.#division.update();
    this.#events.tell("pool-changed", null, `pool ${spec.name} ${what}`, { pool: spec.name });
    return this.pool(spec.name);
  }

  /** @internal */
  deletePool(name: string): void {
    const members = this.managed.all.flatMap((machine) => (machine.spec.pool === name ? [machine.name] : []));
    this.pools.delete(name, members);
    this.#division.update();
    this.#events.tell("pool-changed", null, `pool ${name} was deleted`, { pool: name });
  }

  /** @internal */
  async buildImage(name: string, onProgress: (progress: ImageProgress) => void): Promise<ImageView> {
    await this.#platform.buildImage(name, onProgress);
    this.#events.tell("image-changed", null, `image ${name} was built`, { image: name });
    const image = (await this.#platform.images()).find((each) => each.name === name);
    if (image === undefined) throw new VivariumError("image/unknown", `there is no image ${name}`, { image: name });
    return image;
  }

  async #close(): Promise<void> {
    await this.#resuming;
    const saved = this.managed.all.filter(({ isPresent }) => isPresent);
    await eachOf(saved, SAVED_AT_ONCE, (machine) =>
      this.#attempt(machine, "be saved", () => machine.hibernate("closing")),
    );
    for (const machine of this.managed.all) this.#store.machineChanged(machine);
    this.#store.flush();
    await Promise.all(this.managed.all.map((machine) => machine.release()));
    this.#workers.close();
    await this.#place.close();
  }

  async #attempt(machine: ManagedMachine, what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#failed(machine, what, error);
    }
  }

  #failed({ name }: ManagedMachine, what: string, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#events.tell("machine-failure", name, `${name} could not ${what}: ${reason}`);
  }

  async #check(spec: Parameters<typeof checkMemory>[0]): Promise<void> {
    this.pools.get(spec.pool);
    checkMemory(spec, this.#memory.budgetByteLength);
    this.#division.check({ machine: spec });
    for (const { directory } of spec.folders) {
      if ((await this.#options.allowFolder?.(directory)) === true) continue;
      const message = `${directory} is not granted to machines; say so when the hypervisor is made`;
      throw new VivariumError("folder/forbidden", message, { directory });
    }
  }

  #sharedWorkerFor(machine: ManagedMachine): HostWorker {
    return this.#workers.worker(this.#division.place(machine));
  }

  #read(worker: HostWorker, readings: readonly LaneReading[]): void {
    const byLane = new Map(readings.map((reading) => [reading.lane, reading]));
    for (const machine of this.managed.all) {
      if (machine.worker !== worker || machine.lane === null) continue;
      const reading = byLane.get(machine.lane);
      if (reading !== undefined) machine.read(reading, this.#division.entitlementOf(machine.name));
    }
    if (worker.number === 0) this.#tick();
  }

  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    this.#platform.schedule(() => {
      this.#isFlushDue = false;
      if (this.#closing === null) this.#store.flush();
    }, FLUSH_MS);
  }

  /** About once a second. */
  #tick(): void {
    const isNeeded = (name: string) =>
      this.managed.all.some((each) => each.name === name && (each.isBusy || (each.isAlone && each.heading !== null)));
    for (const cell of this.#workers.closeCells(isNeeded)) this.#division.forget(cell);
    this.#division.update();
    if (!this.#isBalancing) void this.#balance();
    void this.#memory.look();
    if (this.#closing === null) this.#saves.look();
    const nowMs = this.#platform.nowMs();
    for (const { meter } of this.managed.all) meter.sample(nowMs);
    if (++this.#readings % READINGS_PER_WRITE !== 0) return;
    for (const machine of this.managed.all) this.#store.machineChanged(machine);
  }

  /** Takes machines to other workers when the load is uneven. */
  async #balance(): Promise<void> {
    const nowMs = this.#platform.monotonicMs();
    this.#isBalancing = true;
    for (const { name, to } of this.#division.moves(nowMs)) {
      const machine = this.managed.all.find((each) => each.name === name);
      if (machine === undefined || machine.isBusy || machine.handle.isPinned) continue;
      await this.#attempt(machine, "move", () => machine.move(this.#workers.worker(to)));
    }
    this.#isBalancing = false;
  }

  #workerEnded(worker: HostWorker, error: Error): void {
    const here = this.managed.all.filter((machine) => machine.worker === worker);
    const inTurn = here.find(({ lane }) => lane === worker.laneInTurn) ?? null;
    // Nobody else can be to blame for the end of a worker in which one machine was alone.
    const suspect = here.length === 1 ? here[0]! : inTurn;
    this.#events.tell("host", null, `worker ${worker.number}: ${error.message}${blame(suspect, inTurn)}`);
    this.#division.forget(worker.number);
    this.#division.update();
    for (const machine of here) machine.workerEnded(worker, error, suspect);
  }

  #machinesApi(): HypervisorMachines {
    const { managed } = this;
    return {
      create: async (request, { onProgress } = {}) => (await managed.create(request, onProgress)).handle,
      get: (name) => managed.get(name).handle,
      list: () => managed.all.map(({ handle }) => handle),
      destroy: (name) => managed.destroy(name),
    };
  }
}

/** Why the machine is suspected, for the event. */
function blame(suspect: ManagedMachine | null, inTurn: ManagedMachine | null): string {
  if (suspect === null) return "";
  return suspect === inTurn ? `, in the turn of ${suspect.name}` : `, with ${suspect.name} alone in it`;
}

/** Does `work` with each, a few at a time. */
async function eachOf<T>(all: readonly T[], atOnce: number, work: (each: T) => Promise<void>): Promise<void> {
  const left = [...all];
  const worker = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) await work(next);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

function workerCount({ processorCount }: HypervisorPlatform, { workers = "cores" }: HypervisorOptions): number {
  const count = workers === "cores" ? processorCount : workers;
  if (Number.isInteger(count) && count >= 1 && count <= 1024) return count;
  throw new VivariumError("option/invalid", `workers: ${workers}; expected "cores" or a number from 1 to 1024`, {
    option: "workers",
  });
}

function isClosed(): VivariumError {
  return new VivariumError("hypervisor/closed", "the hypervisor has been closed");
}
