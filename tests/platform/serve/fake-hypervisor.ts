/** A hypervisor without machines behind it, which keeps the contract: for tests of what is in front of it. */
import type { ActionInput, ActionOutput, ServiceActionName } from "../../../host/control/hypervisor/actions.js";
import type {
  HypervisorEvent,
  MachineRequest,
  MachineStatus,
  MachineView,
  PoolView,
  SnapshotView,
} from "../../../host/control/hypervisor/schemas.js";
import type {
  ActionContext,
  ConsoleSession,
  HypervisorService,
  SpawnOutput,
  SpawnSession,
} from "../../../host/control/hypervisor/service.js";
import { ROOT_POOL, specOf } from "../../../host/hypervisor/machine-spec.js";
import { NO_LOAD, NO_USAGE } from "../../../host/hypervisor/meter.js";
import { VivariumError } from "../../../host/util/errors.js";

type Handlers = {
  [A in ServiceActionName]: (
    input: ActionInput<A>,
    context: ActionContext,
  ) => ActionOutput<A> | Promise<ActionOutput<A>>;
};

interface Machine {
  view: MachineView;
  snapshots: SnapshotView[];
  screen: Buffer;
  readonly viewers: Set<(bytes: Uint8Array) => void | Promise<void>>;
}

const EVENTS_MAX = 5000;

export class FakeHypervisor implements HypervisorService {
  readonly #machines = new Map<string, Machine>();
  readonly #pools = new Map<string, PoolView["spec"]>([
    [ROOT_POOL, { name: ROOT_POOL, parent: null, cpu: { shares: 100, reservation: 0, limit: null } }],
  ]);
  readonly #events: HypervisorEvent[] = [];
  readonly #listeners = new Set<(event: HypervisorEvent) => void>();
  readonly #startedAt = Date.now();
  readonly #delayMs: number;
  #eventId = 0;
  /** What the input of commands was, for tests. */
  isClosed = false;

  /** @param delayMs how long an operation takes */
  constructor({ delayMs = 0 }: { readonly delayMs?: number } = {}) {
    this.#delayMs = delayMs;
  }

  async perform<A extends ServiceActionName>(
    action: A,
    input: ActionInput<A>,
    context: ActionContext,
  ): Promise<ActionOutput<A>> {
    return this.#handlers[action](input, context);
  }

  onEvent(listener: (event: HypervisorEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tellOperation(machine: string | null, message: string, data: Record<string, unknown>): void {
    this.emit("operation", machine, message, data);
  }

  /** Says that something happened. */
  emit(kind: HypervisorEvent["kind"], machine: string | null, message: string, data = {}): void {
    const event = { id: ++this.#eventId, time: Date.now(), kind, machine, message, data };
    this.#events.push(event);
    if (this.#events.length > EVENTS_MAX) this.#events.shift();
    for (const listener of this.#listeners) listener(event);
  }

  async openConsole(
    name: string,
    receive: (bytes: Uint8Array) => void | Promise<void>,
    _ended: (reason: string) => void,
  ): Promise<ConsoleSession> {
    const machine = this.#machine(name);
    machine.viewers.add(receive);
    await receive(machine.screen);
    return {
      type: (bytes) => this.print(name, bytes),
      resize: (columns, rows) => this.print(name, Buffer.from(`[${columns}x${rows}]`)),
      close: () => void machine.viewers.delete(receive),
    };
  }

  /** Writes to a machine's console. */
  print(name: string, bytes: Uint8Array): void {
    const machine = this.#machine(name);
    machine.screen = Buffer.concat([machine.screen, bytes]);
    for (const receive of machine.viewers) void receive(bytes);
  }

  /** `cat` gives its input back; `flood` writes 64 MiB; whatever else is printed, and ends with 3. */
  async spawn(
    name: string,
    command: string | readonly string[],
    options: { readonly terminal: { readonly columns: number; readonly rows: number } | null },
    output: SpawnOutput,
  ): Promise<SpawnSession> {
    this.#machine(name);
    const text = typeof command === "string" ? command : command.join(" ");
    const signals: string[] = [];
    let isOpen = true;
    const end = (exitCode: number | null, signal: string | null) => {
      if (isOpen) output.ended({ exitCode, signal });
      isOpen = false;
    };
    queueMicrotask(async () => {
      if (text === "cat") return;
      if (text === "flood") {
        for (let count = 0; count < 1024 && isOpen; count++) await output.stdout(new Uint8Array(65_536).fill(count));
        return end(0, null);
      }
      await output.stdout(Buffer.from(`${text}${options.terminal === null ? "" : " on a terminal"}\n`));
      await output.stderr(Buffer.from("a warning\n"));
      end(3, null);
    });
    return {
      write: async (bytes) => {
        if (bytes === null) end(0, null);
        else await output.stdout(bytes);
      },
      resize: (columns, rows) => void output.stdout(Buffer.from(`[${columns}x${rows}]`)),
      kill: (signal) => {
        signals.push(signal);
        end(null, signal);
      },
      close: () => {
        isOpen = false;
      },
    };
  }

  async *exportMachine(name: string, passphrase: string | null): AsyncIterable<Uint8Array> {
    const { view } = this.#machine(name);
    yield Buffer.from(JSON.stringify({ image: view.spec.image, passphrase }));
    for (let count = 0; count < 64; count++) yield new Uint8Array(4096).fill(count);
  }

  async importMachine(
    name: string,
    stream: AsyncIterable<Uint8Array>,
    passphrase: string | null,
    _context: ActionContext,
  ): Promise<void> {
    const pieces: Uint8Array[] = [];
    for await (const piece of stream) pieces.push(piece);
    const bytes = Buffer.concat(pieces);
    const end = bytes.indexOf("}") + 1;
    if (end === 0) throw new VivariumError("stream/damaged", "this is no exported machine");
    const { image, passphrase: needed } = JSON.parse(bytes.toString("utf8", 0, end)) as Record<string, string | null>;
    if (needed !== passphrase) throw new VivariumError("stream/passphrase", "the passphrase is another");
    this.#create(name, { image: image! }, bytes.length);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    for (const { viewers } of this.#machines.values()) viewers.clear();
  }

  readonly #handlers: Handlers = {
    "host.get": () => ({
      version: "0.1.0",
      startedAt: this.#startedAt,
      workers: [{ processors: 0.5, machines: this.#machines.size }],
      processors: 1,
      reservedProcessors: 0,
      memoryBudgetByteLength: 4 * 1024 ** 3,
      memoryUsedByteLength: 0,
      machines: { total: this.#machines.size, running: 0, hibernated: 0 },
    }),
    "machine.list": () => [...this.#machines.values()].map(({ view }) => this.#alive(view)),
    "machine.get": ({ machine }) => this.#alive(this.#machine(machine).view),
    "machine.create": async ({ name, start = true, ...request }, context) => {
      if (this.#machines.has(name)) {
        throw new VivariumError("machine/exists", `there is a machine ${name} already; expected a new name`, {
          machine: name,
        });
      }
      if (request.pool !== undefined && !this.#pools.has(request.pool)) throw this.#noPool(request.pool);
      await this.#takeTime(context);
      this.#create(name, request);
      if (start) this.#become(name, "running");
      return this.#machine(name).view;
    },
    "machine.set": ({ machine, cpu, memoryTargetMiB: _, rates: __, ...change }) => {
      const { view } = this.#machine(machine);
      if (change.pool !== undefined && !this.#pools.has(change.pool)) throw this.#noPool(change.pool);
      const spec = { ...view.spec, ...change, cpu: { ...view.spec.cpu, ...cpu } };
      this.#machine(machine).view = { ...view, spec };
      this.emit("machine-changed", machine, `${machine} was changed`);
      return this.#machine(machine).view;
    },
    "machine.destroy": async ({ machine }, context) => {
      this.#machine(machine);
      await this.#takeTime(context);
      this.#machines.delete(machine);
      this.emit("machine-destroyed", machine, `${machine} was destroyed`);
      return null;
    },
    "machine.start": async ({ machine }, context) => {
      this.#expect(machine, ["off", "hibernated", "failed"]);
      await this.#takeTime(context);
      return this.#become(machine, "running");
    },
    "machine.shutdown": async ({ machine }, context) => {
      this.#expect(machine, ["running"]);
      await this.#takeTime(context);
      return this.#become(machine, "off");
    },
    "machine.stop": ({ machine }) => {
      this.#expect(machine, ["running", "paused", "starting", "failed", "hibernated"]);
      return this.#become(machine, "off");
    },
    "machine.pause": ({ machine }) => {
      this.#expect(machine, ["running"]);
      return this.#become(machine, "paused");
    },
    "machine.resume": ({ machine }) => {
      this.#expect(machine, ["paused"]);
      return this.#become(machine, "running");
    },
    "machine.reset": ({ machine }) => {
      this.#expect(machine, ["running", "paused"]);
      return this.#become(machine, "running");
    },
    "machine.hibernate": async ({ machine }, context) => {
      this.#expect(machine, ["running", "paused"]);
      await this.#takeTime(context);
      return this.#become(machine, "hibernated");
    },
    "machine.exec": async ({ machine, command, input }) => {
      this.#expect(machine, ["running"]);
      const text = typeof command === "string" ? command : command.join(" ");
      return { exitCode: 0, signal: null, stdout: `${text}\n${input ?? ""}`, stderr: "" };
    },
    "machine.logs": ({ machine, lines }) => {
      const text = this.#machine(machine).screen.toString("utf8");
      return { text: lines === undefined ? text : text.split("\n").slice(-lines).join("\n") };
    },
    "machine.samples": ({ machine }) => {
      this.#machine(machine);
      const now = Date.now();
      return Array.from({ length: 60 }, (_, index) => ({
        time: now - (60 - index) * 1000,
        processors: 0.3 + 0.2 * Math.sin(index / 5),
        steal: 0.02,
        touchedByteLength: 64 * 1024 ** 2,
        diskBytesPerSecond: index * 1000,
        networkBytesPerSecond: index * 100,
      }));
    },
    "machine.fork": async ({ machine, count, names, snapshot }, context) => {
      const origin = this.#machine(machine);
      if (snapshot !== undefined) this.#snapshot(origin, snapshot);
      await this.#takeTime(context);
      const chosen = names ?? Array.from({ length: count ?? 1 }, (_, index) => `${machine}-${index + 1}`);
      const taken = chosen.find((name) => this.#machines.has(name));
      if (taken !== undefined) throw new VivariumError("machine/exists", `there is a machine ${taken} already`);
      return chosen.map((name) => {
        this.#create(name, origin.view.spec);
        return this.#become(name, "running");
      });
    },
    "snapshot.list": ({ machine }) => this.#machine(machine).snapshots,
    "snapshot.create": async ({ machine, snapshot }, context) => {
      const owner = this.#machine(machine);
      if (owner.snapshots.some(({ name }) => name === snapshot)) {
        throw new VivariumError("snapshot/exists", `${machine} has a snapshot ${JSON.stringify(snapshot)} already`);
      }
      await this.#takeTime(context);
      const parent = owner.snapshots.find(({ present }) => present)?.name ?? null;
      owner.snapshots = owner.snapshots.map((one) => ({ ...one, present: false }));
      const made = {
        name: snapshot,
        parent,
        createdAt: Date.now(),
        instructions: 1_000_000,
        ownByteLength: 4096,
        automatic: false,
        present: true,
      };
      owner.snapshots.push(made);
      this.emit("snapshot-changed", machine, `${machine} was saved as ${snapshot}`);
      return made;
    },
    "snapshot.restore": async ({ machine, snapshot }, context) => {
      const owner = this.#machine(machine);
      this.#snapshot(owner, snapshot);
      await this.#takeTime(context);
      owner.snapshots = owner.snapshots.map((one) => ({ ...one, present: one.name === snapshot }));
      this.emit("snapshot-changed", machine, `${machine} was put back to ${snapshot}`);
      return owner.view;
    },
    "snapshot.delete": async ({ machine, snapshot }, context) => {
      const owner = this.#machine(machine);
      this.#snapshot(owner, snapshot);
      await this.#takeTime(context);
      owner.snapshots = owner.snapshots.filter(({ name }) => name !== snapshot);
      this.emit("snapshot-changed", machine, `the snapshot ${snapshot} of ${machine} was deleted`);
      return null;
    },
    "pool.list": () => [...this.#pools.keys()].map((name) => this.#pool(name)),
    "pool.create": ({ name, parent = ROOT_POOL, cpu }) => {
      if (this.#pools.has(name)) throw new VivariumError("pool/exists", `there is a pool ${name} already`);
      if (!this.#pools.has(parent)) throw this.#noPool(parent);
      this.#pools.set(name, { name, parent, cpu: { shares: 100, reservation: 0, limit: null, ...cpu } });
      this.emit("pool-changed", null, `the pool ${name} was made`);
      return this.#pool(name);
    },
    "pool.set": ({ pool, cpu }) => {
      const spec = this.#pools.get(pool);
      if (spec === undefined) throw this.#noPool(pool);
      this.#pools.set(pool, { ...spec, cpu: { ...spec.cpu, ...cpu } });
      this.emit("pool-changed", null, `the pool ${pool} was changed`);
      return this.#pool(pool);
    },
    "pool.delete": ({ pool }) => {
      if (!this.#pools.has(pool)) throw this.#noPool(pool);
      if (this.#pool(pool).machines.length > 0 || pool === ROOT_POOL) {
        throw new VivariumError("pool/in-use", `the pool ${pool} is not empty`);
      }
      this.#pools.delete(pool);
      this.emit("pool-changed", null, `the pool ${pool} was deleted`);
      return null;
    },
    "image.list": () => [
      { name: "debian-mini", built: true, byteLength: 22_000_000 },
      { name: "debian", built: false, byteLength: 0 },
    ],
    "image.build": async ({ image }, context) => {
      if (image !== "debian" && image !== "debian-mini") {
        throw new VivariumError("image/unknown", `there is no image ${image}; expected debian or debian-mini`);
      }
      await this.#takeTime(context);
      return { name: image, built: true, byteLength: 22_000_000 };
    },
    "event.list": ({ after = 0, last = 1000 }) => this.#events.filter(({ id }) => id > after).slice(-last),
  };

  async #takeTime({ onProgress }: ActionContext): Promise<void> {
    if (this.#delayMs === 0) return;
    for (let step = 1; step <= 10; step++) {
      await new Promise((resolve) => setTimeout(resolve, this.#delayMs / 10));
      onProgress?.(step / 10, `step ${step} of 10`);
    }
  }

  #create(name: string, request: Omit<MachineRequest, "name" | "start">, savedByteLength = 0): void {
    const view: MachineView = {
      spec: specOf({ ...request, name }),
      status: "off",
      createdAt: Date.now(),
      startedAt: null,
      worker: null,
      agentReady: false,
      failure: null,
      usage: NO_USAGE,
      load: { ...NO_LOAD, savedByteLength },
    };
    this.#machines.set(name, { view, snapshots: [], screen: Buffer.from("root@vivarium:~# "), viewers: new Set() });
    this.emit("machine-created", name, `${name} was made`);
  }

  /** What it would look like if it ran: the figures move with the clock. */
  #alive(view: MachineView): MachineView {
    if (view.status !== "running" || view.startedAt === null) return view;
    const seconds = (Date.now() - view.startedAt) / 1000;
    const processors = 0.4 + 0.3 * Math.sin(seconds / 4 + view.spec.name.length);
    return {
      ...view,
      usage: {
        ...view.usage,
        instructions: Math.round(seconds * 1e8),
        processorSeconds: seconds * 0.4,
        memoryGibSeconds: seconds / 16,
        energyJoules: seconds * 3,
        diskReadBytes: Math.round(seconds * 1000),
        diskReads: Math.round(seconds),
        networkSentBytes: Math.round(seconds * 2000),
        networkSentFrames: Math.round(seconds * 2),
      },
      load: { ...view.load, processors, entitlement: 0.7, steal: 0.03, touchedByteLength: 64 * 1024 ** 2 },
    };
  }

  #become(name: string, status: MachineStatus): MachineView {
    const machine = this.#machine(name);
    const isOn = status === "running" || status === "paused";
    machine.view = {
      ...machine.view,
      status,
      startedAt: isOn ? (machine.view.startedAt ?? Date.now()) : null,
      worker: isOn ? 0 : null,
      agentReady: status === "running",
    };
    this.emit("machine-status", name, `${name} is ${status}`);
    return machine.view;
  }

  #expect(name: string, statuses: readonly MachineStatus[]): void {
    const { status } = this.#machine(name).view;
    if (statuses.includes(status)) return;
    throw new VivariumError("machine/status", `${name} is ${status}; expected it to be ${statuses.join(" or ")}`);
  }

  #machine(name: string): Machine {
    const machine = this.#machines.get(name);
    if (machine !== undefined) return machine;
    throw new VivariumError("machine/unknown", `there is no machine ${name}`, { machine: name });
  }

  #snapshot({ snapshots, view }: Machine, name: string): SnapshotView {
    const found = snapshots.find((one) => one.name === name);
    if (found !== undefined) return found;
    throw new VivariumError("snapshot/unknown", `${view.spec.name} has no snapshot ${JSON.stringify(name)}`);
  }

  #pool(name: string): PoolView {
    const members = [...this.#machines.values()].filter(({ view }) => view.spec.pool === name);
    return {
      spec: this.#pools.get(name)!,
      usage: NO_USAGE,
      load: NO_LOAD,
      machines: members.map(({ view }) => view.spec.name),
    };
  }

  #noPool(name: string): VivariumError {
    return new VivariumError("pool/unknown", `there is no pool ${name}`, { pool: name });
  }
}
