/**
 * Every request to a hypervisor, once: what it takes, what it gives, who may make it, and where REST has it. The API,
 * the command line, REST, its OpenAPI document and the console are made from this table.
 */
import Type, { type Static, type TObject, type TSchema } from "typebox";
import {
  AuditEntry,
  HostView,
  HypervisorEvent,
  ImageView,
  MachineChange,
  MachineRequest,
  MachineView,
  Name,
  OperationView,
  PoolRequest,
  PoolSpec,
  PoolView,
  type Role,
  Role as RoleSchema,
  Sample,
  SnapshotName,
  SnapshotView,
  TokenView,
} from "./schemas.js";

/** How an action's result comes: at once, or as an operation with an id that goes on after the answer. */
export type ActionKind = "now" | "operation";

interface ActionRow {
  readonly summary: string;
  readonly role: Role;
  readonly kind: ActionKind;
  /** Names in braces are taken from the input; the rest of it is the query of a GET or DELETE, else the body. */
  readonly http: `${"GET" | "POST" | "PATCH" | "DELETE"} /v1/${string}`;
  readonly input: TObject;
  readonly output: TSchema;
}

const STRICT = { additionalProperties: false } as const;
const NONE = Type.Object({}, STRICT);
const VOID = Type.Null();
const OF_MACHINE = Type.Object({ machine: Name }, STRICT);
const OF_SNAPSHOT = Type.Object({ machine: Name, snapshot: SnapshotName }, STRICT);
const OF_POOL = Type.Object({ pool: Name }, STRICT);
const LAST = Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: "At most so many, the newest" }));

export const ACTIONS = {
  "host.get": row("The host and what of it is given away", "viewer", "now", "GET /v1/host", NONE, HostView),

  "machine.list": row("All machines", "viewer", "now", "GET /v1/machines", NONE, Type.Array(MachineView)),
  "machine.get": row("One machine", "viewer", "now", "GET /v1/machines/{machine}", OF_MACHINE, MachineView),
  "machine.create": row(
    "Makes a machine from an image",
    "operator",
    "operation",
    "POST /v1/machines",
    MachineRequest,
    MachineView,
  ),
  "machine.set": row(
    "Changes a machine, also while it runs",
    "operator",
    "now",
    "PATCH /v1/machines/{machine}",
    Type.Object({ machine: Name, ...MachineChange.properties }, STRICT),
    MachineView,
  ),
  "machine.destroy": row(
    "Ends a machine and deletes all of it",
    "operator",
    "operation",
    "DELETE /v1/machines/{machine}",
    OF_MACHINE,
    VOID,
  ),
  "machine.start": machineAction("start", "Switches a machine on, or wakes one that is hibernated", "operation"),
  "machine.shutdown": row(
    "Asks the guest to switch itself off",
    "operator",
    "operation",
    "POST /v1/machines/{machine}/shutdown",
    Type.Object({ machine: Name, timeoutMs: Type.Optional(Type.Integer({ minimum: 1, maximum: 3_600_000 })) }, STRICT),
    MachineView,
  ),
  "machine.stop": machineAction("stop", "Switches a machine off at once", "now"),
  "machine.pause": machineAction("pause", "Lets a machine stand still", "now"),
  "machine.resume": machineAction("resume", "Lets a machine that stands still go on", "now"),
  "machine.reset": machineAction("reset", "Switches a machine off and on again", "now"),
  "machine.hibernate": machineAction("hibernate", "Saves a running machine and frees its memory", "operation"),
  "machine.exec": row(
    "Runs a command in the guest to its end",
    "operator",
    "operation",
    "POST /v1/machines/{machine}/exec",
    Type.Object(
      {
        machine: Name,
        /** A line for the guest's shell, or the words of a command. */
        command: Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String(), { minItems: 1 })]),
        /** Its standard input, as text. */
        input: Type.Optional(Type.String()),
        timeoutMs: Type.Optional(Type.Integer({ minimum: 1, maximum: 86_400_000 })),
      },
      STRICT,
    ),
    Type.Object({
      exitCode: Type.Union([Type.Integer(), Type.Null()]),
      signal: Type.Union([Type.String(), Type.Null()]),
      stdout: Type.String(),
      stderr: Type.String(),
    }),
  ),
  "machine.logs": row(
    "The end of what the machine wrote to its serial console",
    "viewer",
    "now",
    "GET /v1/machines/{machine}/logs",
    Type.Object({ machine: Name, lines: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })) }, STRICT),
    Type.Object({ text: Type.String() }),
  ),
  "machine.samples": row(
    "Readings of the last hour for charts",
    "viewer",
    "now",
    "GET /v1/machines/{machine}/samples",
    Type.Object({ machine: Name, since: Type.Optional(Type.Integer({ minimum: 0 })) }, STRICT),
    Type.Array(Sample),
  ),
  "machine.fork": row(
    "Makes machines that go on from this one, or from a snapshot of it, beside it",
    "operator",
    "operation",
    "POST /v1/machines/{machine}/fork",
    Type.Object(
      {
        machine: Name,
        count: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
        /** Of the new ones; NAME-1, NAME-2 and so on unless given. */
        names: Type.Optional(Type.Array(Name, { minItems: 1, maxItems: 100 })),
        snapshot: Type.Optional(SnapshotName),
      },
      STRICT,
    ),
    Type.Array(MachineView),
  ),

  "snapshot.list": row(
    "A machine's snapshots",
    "viewer",
    "now",
    "GET /v1/machines/{machine}/snapshots",
    OF_MACHINE,
    Type.Array(SnapshotView),
  ),
  "snapshot.create": row(
    "Saves the machine as it is now, under a name",
    "operator",
    "operation",
    "POST /v1/machines/{machine}/snapshots",
    OF_SNAPSHOT,
    SnapshotView,
  ),
  "snapshot.restore": row(
    "Puts the machine back to a snapshot",
    "operator",
    "operation",
    "POST /v1/machines/{machine}/snapshots/{snapshot}/restore",
    OF_SNAPSHOT,
    MachineView,
  ),
  "snapshot.delete": row(
    "Deletes a snapshot and what only it used",
    "operator",
    "operation",
    "DELETE /v1/machines/{machine}/snapshots/{snapshot}",
    OF_SNAPSHOT,
    VOID,
  ),

  "pool.list": row("All pools", "viewer", "now", "GET /v1/pools", NONE, Type.Array(PoolView)),
  "pool.create": row("Makes a pool", "admin", "now", "POST /v1/pools", PoolRequest, PoolView),
  "pool.set": row(
    "Changes a pool",
    "admin",
    "now",
    "PATCH /v1/pools/{pool}",
    Type.Object({ pool: Name, cpu: Type.Partial(PoolSpec.properties.cpu, STRICT) }, STRICT),
    PoolView,
  ),
  "pool.delete": row("Deletes a pool that is empty", "admin", "now", "DELETE /v1/pools/{pool}", OF_POOL, VOID),

  "image.list": row(
    "The images machines can be made from",
    "viewer",
    "now",
    "GET /v1/images",
    NONE,
    Type.Array(ImageView),
  ),
  "image.build": row(
    "Makes an image by its recipe",
    "admin",
    "operation",
    "POST /v1/images/{image}/build",
    Type.Object({ image: Name }, STRICT),
    ImageView,
  ),

  "operation.list": row(
    "Operations of the last hour and those that go on",
    "viewer",
    "now",
    "GET /v1/operations",
    NONE,
    Type.Array(OperationView),
  ),
  "operation.get": row(
    "One operation; with waitMs, answers when it has ended or so much time is over",
    "viewer",
    "now",
    "GET /v1/operations/{operation}",
    Type.Object(
      {
        operation: Type.String({ maxLength: 100 }),
        waitMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 60_000 })),
      },
      STRICT,
    ),
    OperationView,
  ),
  "event.list": row(
    "What happened, oldest first",
    "viewer",
    "now",
    "GET /v1/events",
    Type.Object({ after: Type.Optional(Type.Integer({ minimum: 0 })), last: LAST }, STRICT),
    Type.Array(HypervisorEvent),
  ),
  "audit.list": row(
    "Who did what, oldest first",
    "admin",
    "now",
    "GET /v1/audit",
    Type.Object({ after: Type.Optional(Type.Integer({ minimum: 0 })), last: LAST }, STRICT),
    Type.Array(AuditEntry),
  ),

  "token.list": row("All tokens, without their secrets", "admin", "now", "GET /v1/tokens", NONE, Type.Array(TokenView)),
  "token.current": row("The token that asks", "viewer", "now", "GET /v1/tokens/current", NONE, TokenView),
  "token.create": row(
    "Makes a token; its secret is in this answer and nowhere else",
    "admin",
    "now",
    "POST /v1/tokens",
    Type.Object(
      {
        label: Type.String({ minLength: 1, maxLength: 100 }),
        role: RoleSchema,
        expiresInSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 315_360_000 })),
      },
      STRICT,
    ),
    Type.Object({ token: TokenView, secret: Type.String() }),
  ),
  "token.revoke": row(
    "Ends a token at once",
    "admin",
    "now",
    "DELETE /v1/tokens/{token}",
    Type.Object({ token: Type.String({ maxLength: 100 }) }, STRICT),
    VOID,
  ),
} as const;

export type ActionName = keyof typeof ACTIONS;
export type ActionInput<A extends ActionName> = Static<(typeof ACTIONS)[A]["input"]>;
export type ActionOutput<A extends ActionName> = Static<(typeof ACTIONS)[A]["output"]>;

/** What the daemon does itself: who may ask, who asked, and what goes on. The rest is the hypervisor's. */
export type DaemonActionName = Extract<ActionName, `${"token" | "audit" | "operation"}.${string}`>;
export type ServiceActionName = Exclude<ActionName, DaemonActionName>;

/** A request to a hypervisor: `{ action: "machine.start", machine: "web" }`. */
export type HypervisorAction = { [A in ActionName]: { readonly action: A } & ActionInput<A> }[ActionName];

/** What is not one question and one answer; REST has these beside the table. */
export const STREAMS = {
  "event.stream": { http: "GET /v1/events/stream", role: "viewer", transport: "server-sent events" },
  "machine.console": { http: "GET /v1/machines/{machine}/console", role: "operator", transport: "websocket" },
  "machine.spawn": { http: "GET /v1/machines/{machine}/spawn", role: "operator", transport: "websocket" },
  "machine.export": { http: "GET /v1/machines/{machine}/export", role: "operator", transport: "download" },
  "machine.import": { http: "POST /v1/imports", role: "operator", transport: "resumable upload" },
} as const;

function row<I extends TObject, O extends TSchema>(
  summary: string,
  role: Role,
  kind: ActionKind,
  http: ActionRow["http"],
  input: I,
  output: O,
) {
  return { summary, role, kind, http, input, output } as const satisfies ActionRow;
}

function machineAction(verb: string, summary: string, kind: ActionKind) {
  return row(summary, "operator", kind, `POST /v1/machines/{machine}/${verb}`, OF_MACHINE, MachineView);
}
