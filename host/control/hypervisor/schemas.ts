/**
 * What goes in and out of the hypervisor's actions, as JSON Schema: checked at every front end, and published as the
 * REST interface's OpenAPI document. Sizes are in the unit that a name says; times are milliseconds since 1970.
 */
import Type, { type Static } from "typebox";
import { MAX_HARTS } from "../../../assembly/shared/layout.js";

/** Refuses what it does not know: a misspelt setting is an error and not the default. */
const STRICT = { additionalProperties: false } as const;

/** A DNS label, so that a name is a host name, a file name and a word of a command line as it is. */
export const Name = Type.String({
  pattern: "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
  description: "1 to 63 of a to z, 0 to 9 and -, which neither begins nor ends it",
});
export const SnapshotName = Type.String({
  maxLength: 64,
  pattern: "^[\\p{L}\\p{N}][\\p{L}\\p{N}._-]*$",
  description: 'At most 64 letters, digits, ".", "_" and "-", the first a letter or a digit',
});
const Time = Type.Integer({ minimum: 0, description: "Milliseconds since 1970-01-01T00:00:00Z" });
const Count = Type.Integer({ minimum: 0 });
const Amount = Type.Number({ minimum: 0 });

export const SHARES_DEFAULT = 100;

/** How much of the host's processors a machine or a pool gets. */
export const CpuSettings = Type.Object(
  {
    shares: Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      description: "Weight beside the other members of the same pool",
    }),
    reservation: Type.Number({
      minimum: 0,
      maximum: 1024,
      description: "Host processors it gets whenever it can use them",
    }),
    limit: Type.Union([Type.Number({ exclusiveMinimum: 0, maximum: 1024 }), Type.Null()], {
      description: "Host processors it never exceeds; null for no limit",
    }),
  },
  STRICT,
);
export type CpuSettings = Static<typeof CpuSettings>;

export const RestartPolicy = Type.Enum(["never", "on-failure", "always"], {
  description:
    "What happens when the machine ends by itself: on-failure is for crashes, not for a guest that switches off",
});
export type RestartPolicy = Static<typeof RestartPolicy>;

/** By itself, a running machine is saved so often, as where it goes on when its worker ends. */
export const SAVE_EVERY_SECONDS_DEFAULT = 30;
const SaveEverySeconds = Type.Union([Type.Integer({ minimum: 1, maximum: 604_800 }), Type.Null()], {
  description: "How often it is saved while it does something, so that a crash loses no more; null for never",
});
const Isolated = Type.Boolean({
  description: "Whether it has a worker for itself, and others' crashes do not reach it",
});

const Share = Type.Object(
  {
    directory: Type.String({ minLength: 1, maxLength: 4096 }),
    tag: Type.String({ minLength: 1, maxLength: 31 }),
    readOnly: Type.Boolean(),
  },
  STRICT,
);

/** By name alone: a path would be one of the host's. */
const ImageName = Type.String({
  pattern: "^[a-z0-9]([a-z0-9._-]{0,98}[a-z0-9])?$",
  description: 'An image\'s name: a to z, 0 to 9, ".", "_" and "-"',
});

/** What a machine is made of, and what it is granted. */
export const MachineSpec = Type.Object(
  {
    name: Name,
    image: ImageName,
    memoryMiB: Type.Integer({ minimum: 16, maximum: 3072 }),
    harts: Type.Integer({ minimum: 1, maximum: MAX_HARTS }),
    cpu: CpuSettings,
    pool: Name,
    /** As `viv run --net` takes them. */
    networks: Type.Array(Type.String({ maxLength: 4096 }), { maxItems: 4 }),
    /** Folders of the host, below those that the daemon was started to share. */
    folders: Type.Array(Share, { maxItems: 4 }),
    /** More words for the image's kernel. */
    /** Words, which no control characters are part of. */
    append: Type.String({ maxLength: 1024, pattern: "^[^\\x00-\\x1f\\x7f]*$" }),
    /** Whether it is started with the hypervisor. */
    autostart: Type.Boolean(),
    restart: RestartPolicy,
    saveEverySeconds: SaveEverySeconds,
    isolated: Isolated,
    virtio: Type.Enum(["modern", "legacy"], {
      description: "What drivers find; legacy is version 1 of virtio, for systems that know no other",
    }),
    /** Free text for people. */
    description: Type.String({ maxLength: 1000 }),
  },
  STRICT,
);
export type MachineSpec = Static<typeof MachineSpec>;

/** A specification as it is asked for: what is left out has its default. */
export const MachineRequest = Type.Object(
  {
    name: Name,
    ...Type.Partial(Type.Omit(MachineSpec, ["name", "cpu"])).properties,
    cpu: Type.Optional(Type.Partial(CpuSettings, STRICT)),
    start: Type.Optional(Type.Boolean({ description: "Whether it is switched on at once; true unless given" })),
  },
  STRICT,
);
export type MachineRequest = Static<typeof MachineRequest>;

/** What can be changed while a machine runs. */
export const MachineChange = Type.Object(
  {
    cpu: Type.Optional(Type.Partial(CpuSettings, STRICT)),
    pool: Type.Optional(Name),
    autostart: Type.Optional(Type.Boolean()),
    restart: Type.Optional(RestartPolicy),
    saveEverySeconds: Type.Optional(SaveEverySeconds),
    isolated: Type.Optional(Isolated),
    description: Type.Optional(MachineSpec.properties.description),
    /** Memory that the balloon leaves the guest. */
    memoryTargetMiB: Type.Optional(Type.Integer({ minimum: 16, maximum: 3072 })),
    /** For each network device in turn; null where nothing changes. */
    rates: Type.Optional(Type.Array(Type.Union([Type.String({ maxLength: 100 }), Type.Null()]), { maxItems: 4 })),
  },
  STRICT,
);
export type MachineChange = Static<typeof MachineChange>;

/** `hibernated`: its state is in its file alone, and input wakes it. */
export const MachineStatus = Type.Enum(["off", "starting", "running", "paused", "hibernated", "failed"]);
export type MachineStatus = Static<typeof MachineStatus>;

/** Readings that only grow, over all of a machine's life. */
export const Usage = Type.Object({
  instructions: Count,
  processorSeconds: Amount,
  /** Touched memory, integrated over time. */
  memoryGibSeconds: Amount,
  /** An estimate: docs/hypervisor.md has the formula. */
  energyJoules: Amount,
  diskReadBytes: Count,
  diskWrittenBytes: Count,
  diskReads: Count,
  diskWrites: Count,
  networkReceivedBytes: Count,
  networkSentBytes: Count,
  networkReceivedFrames: Count,
  networkSentFrames: Count,
});
export type Usage = Static<typeof Usage>;

/** What a machine does now, over the last second. */
export const Load = Type.Object({
  /** Host processors that it uses. */
  processors: Amount,
  /** Host processors that it has a right to now, as far as it wants them. */
  entitlement: Amount,
  /** Part of the time in which it wanted a processor and had none, 0 to 1. */
  steal: Amount,
  touchedByteLength: Count,
  balloonByteLength: Count,
  /** Size of its file. */
  savedByteLength: Count,
});
export type Load = Static<typeof Load>;

export const MachineView = Type.Object({
  spec: MachineSpec,
  status: MachineStatus,
  createdAt: Time,
  /** When it was last switched on or woken; null while it is off. */
  startedAt: Type.Union([Time, Type.Null()]),
  /** The worker that runs it; null without one. */
  worker: Type.Union([Count, Type.Null()]),
  /** Whether the guest's agent answers, which `exec` and `shutdown` need. */
  agentReady: Type.Boolean(),
  /** Why it failed; null unless it did. */
  failure: Type.Union([Type.String(), Type.Null()]),
  usage: Usage,
  load: Load,
});
export type MachineView = Static<typeof MachineView>;

/** A point of a machine's history. `parent` is the name of the one that it continues. */
export const SnapshotView = Type.Object({
  name: SnapshotName,
  parent: Type.Union([SnapshotName, Type.Null()]),
  createdAt: Time,
  instructions: Count,
  /** What only it has in the file. */
  ownByteLength: Count,
  automatic: Type.Boolean(),
  /** Whether the machine goes on from here. */
  present: Type.Boolean(),
});
export type SnapshotView = Static<typeof SnapshotView>;

export const PoolSpec = Type.Object({ name: Name, parent: Type.Union([Name, Type.Null()]), cpu: CpuSettings }, STRICT);
export type PoolSpec = Static<typeof PoolSpec>;
export const PoolRequest = Type.Object(
  { name: Name, parent: Type.Optional(Name), cpu: Type.Optional(Type.Partial(CpuSettings, STRICT)) },
  STRICT,
);
export type PoolRequest = Static<typeof PoolRequest>;
export const PoolView = Type.Object({ spec: PoolSpec, usage: Usage, load: Load, machines: Type.Array(Name) });
export type PoolView = Static<typeof PoolView>;

export const ImageView = Type.Object({
  name: Type.String(),
  built: Type.Boolean(),
  byteLength: Count,
});
export type ImageView = Static<typeof ImageView>;

/** The host and what of it is given away. */
export const HostView = Type.Object({
  version: Type.String(),
  startedAt: Time,
  workers: Type.Array(Type.Object({ processors: Amount, machines: Count })),
  /** Host processors: the number of workers. */
  processors: Amount,
  reservedProcessors: Amount,
  memoryBudgetByteLength: Count,
  memoryUsedByteLength: Count,
  machines: Type.Object({ total: Count, running: Count, hibernated: Count }),
});
export type HostView = Static<typeof HostView>;

/** Something that takes a while. */
export const OperationView = Type.Object({
  id: Type.String(),
  action: Type.String(),
  machine: Type.Union([Name, Type.Null()]),
  status: Type.Enum(["running", "succeeded", "failed"]),
  /** 0 to 1; null while nobody can say. */
  progress: Type.Union([Type.Number({ minimum: 0, maximum: 1 }), Type.Null()]),
  message: Type.String(),
  startedAt: Time,
  endedAt: Type.Union([Time, Type.Null()]),
  result: Type.Optional(Type.Unknown()),
  error: Type.Optional(Type.Object({ code: Type.String(), message: Type.String() })),
});
export type OperationView = Static<typeof OperationView>;

export const EVENT_KINDS = [
  "machine-created",
  "machine-changed",
  "machine-status",
  "machine-destroyed",
  "machine-moved",
  "machine-failure",
  "snapshot-changed",
  "pool-changed",
  "image-changed",
  "operation",
  "host",
] as const;
/** Something that happened; `id` grows by one each time. */
export const HypervisorEvent = Type.Object({
  id: Count,
  time: Time,
  kind: Type.Enum([...EVENT_KINDS]),
  machine: Type.Union([Name, Type.Null()]),
  /** One line for people. */
  message: Type.String(),
  data: Type.Record(Type.String(), Type.Unknown()),
});
export type HypervisorEvent = Static<typeof HypervisorEvent>;

/** A reading of one moment, for charts. */
export const Sample = Type.Object({
  time: Time,
  processors: Amount,
  steal: Amount,
  touchedByteLength: Count,
  diskBytesPerSecond: Amount,
  networkBytesPerSecond: Amount,
});
export type Sample = Static<typeof Sample>;

export const Role = Type.Enum(["viewer", "operator", "admin"]);
export type Role = Static<typeof Role>;
export const TokenView = Type.Object({
  id: Type.String(),
  label: Type.String(),
  role: Role,
  createdAt: Time,
  expiresAt: Type.Union([Time, Type.Null()]),
  lastUsedAt: Type.Union([Time, Type.Null()]),
});
export type TokenView = Static<typeof TokenView>;

/** Who did what: every action that changes something, and every one that was refused for want of a right. */
export const AuditEntry = Type.Object({
  id: Count,
  time: Time,
  /** The label of the token, or where the request came from if it had none. */
  principal: Type.String(),
  action: Type.String(),
  machine: Type.Union([Type.String(), Type.Null()]),
  outcome: Type.Enum(["done", "refused", "failed"]),
  message: Type.String(),
});
export type AuditEntry = Static<typeof AuditEntry>;
