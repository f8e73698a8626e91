import { batch, computed, type ReadonlySignal, signal } from "@preact/signals";
import type {
  HostView,
  HypervisorEvent,
  ImageView,
  MachineView,
  OperationView,
  PoolView,
  Role,
} from "../../../host/control/hypervisor/schemas.js";
import { type Connection, RequestError } from "./connection.js";
import { followEvents } from "./event-stream.js";
import { LiveHistory } from "./live-history.js";

/** Readings are asked for so often while somebody looks. */
const REFRESH_MS = 1000;
/** What events tell of is asked for every so many times besides. */
const REFRESHES_BETWEEN = 5;
/** From an event to asking what it has changed. */
const NEWS_MS = 250;
const EVENTS_MAX = 500;
const HISTORY_MS = 120_000;
const HISTORY_MACHINES_MAX = 30;

/** What the page knows of the hypervisor: kept fresh while the page is seen. */
export class Store {
  readonly connection: Connection;
  readonly machines = signal<readonly MachineView[]>([]);
  readonly pools = signal<readonly PoolView[]>([]);
  readonly images = signal<readonly ImageView[]>([]);
  readonly operations = signal<readonly OperationView[]>([]);
  readonly events = signal<readonly HypervisorEvent[]>([]);
  readonly host = signal<HostView | null>(null);
  /** What the token is for; null before it is known. */
  readonly role = signal<Role | null>(null);
  /** Null before it is known. */
  readonly connected = signal<boolean | null>(null);
  /** What each machine did in the last minutes, for its line. */
  readonly history = new LiveHistory();
  readonly names: ReadonlySignal<ReadonlySet<string>> = computed(
    () => new Set(this.machines.value.map(({ spec }) => spec.name)),
  );
  readonly #onRefused: () => void;
  #stopEvents: (() => void) | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #refresh: Promise<void> | null = null;
  #refreshes = 0;
  #newsTimer: ReturnType<typeof setTimeout> | null = null;
  #isStopped = false;

  /** @param onRefused the token counts no more */
  constructor(connection: Connection, onRefused: () => void) {
    this.connection = connection;
    this.#onRefused = onRefused;
  }

  start(): void {
    document.addEventListener("visibilitychange", this.#onVisible);
    this.#stopEvents = followEvents(this.connection, {
      onEvent: (event) => this.#take(event),
      onConnected: (connected) => {
        this.connected.value = connected;
        if (connected) void this.#refreshAll();
      },
      onRefused: this.#onRefused,
    });
    void this.#loadEvents();
    void this.#loadRole();
    void this.#refreshAll().then(() => this.#loadHistory());
    this.#tick();
  }

  stop(): void {
    this.#isStopped = true;
    document.removeEventListener("visibilitychange", this.#onVisible);
    this.#stopEvents?.();
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#newsTimer !== null) clearTimeout(this.#newsTimer);
  }

  /** Whether the token may do more than look. */
  get mayChange(): boolean {
    return this.role.value !== "viewer";
  }

  machine(name: string): MachineView | null {
    return this.machines.value.find(({ spec }) => spec.name === name) ?? null;
  }

  /** Asks for everything anew, after something was changed. */
  async refresh(): Promise<void> {
    await this.#refresh;
    this.#refreshes = 0;
    await this.#refreshAll();
  }

  readonly #onVisible = (): void => {
    if (document.visibilityState === "visible") this.#tick();
  };

  #tick(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#isStopped || document.visibilityState === "hidden") return;
    void this.#refreshAll().finally(() => {
      if (!this.#isStopped) this.#timer = setTimeout(() => this.#tick(), REFRESH_MS);
    });
  }

  #refreshAll(): Promise<void> {
    this.#refresh ??= this.#askAll().finally(() => {
      this.#refresh = null;
    });
    return this.#refresh;
  }

  async #askAll(): Promise<void> {
    try {
      const hasNews = this.#refreshes++ % REFRESHES_BETWEEN === 0;
      const [host, machines, pools, operations] = await Promise.all([
        this.connection.perform("host.get", {}),
        this.connection.perform("machine.list", {}),
        hasNews ? this.connection.perform("pool.list", {}) : this.pools.value,
        hasNews ? this.connection.perform("operation.list", {}) : this.operations.value,
      ]);
      batch(() => {
        this.connected.value = true;
        this.host.value = host;
        this.machines.value = [...machines].sort((a, b) => a.spec.name.localeCompare(b.spec.name));
        this.pools.value = pools;
        this.operations.value = operations;
        this.history.take(machines, Date.now());
      });
      if (this.images.value.length === 0) this.images.value = await this.connection.perform("image.list", {});
    } catch (error) {
      if (error instanceof RequestError && error.status === 401) this.#onRefused();
      else if (error instanceof RequestError && error.status === 0) this.connected.value = false;
      else if (!(error instanceof RequestError)) throw error;
    }
  }

  async #loadRole(): Promise<void> {
    const token = await this.connection.perform("token.current", {}).catch(() => null);
    this.role.value = token?.role ?? null;
  }

  /** The lines of the machines that are seen first begin with what was read before. */
  async #loadHistory(): Promise<void> {
    const since = Date.now() - HISTORY_MS;
    for (const { spec } of this.machines.value.slice(0, HISTORY_MACHINES_MAX)) {
      const samples = await this.connection.perform("machine.samples", { machine: spec.name, since }).catch(() => []);
      this.history.precede(
        spec.name,
        samples.map(({ processors }) => processors),
      );
    }
  }

  async #loadEvents(): Promise<void> {
    const events = await this.connection.perform("event.list", { last: EVENTS_MAX }).catch(() => []);
    this.#add(events);
  }

  #take(event: HypervisorEvent): void {
    this.#add([event]);
    if (event.kind === "image-changed") this.images.value = [];
    // Many may come at once.
    this.#newsTimer ??= setTimeout(() => {
      this.#newsTimer = null;
      this.#refreshes = 0;
      void this.#refreshAll();
    }, NEWS_MS);
  }

  #add(events: readonly HypervisorEvent[]): void {
    const known = new Map([...this.events.value, ...events].map((event) => [event.id, event]));
    this.events.value = [...known.values()].sort((a, b) => a.id - b.id).slice(-EVENTS_MAX);
  }
}
