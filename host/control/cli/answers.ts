/** What `viv` prints of an action's answer, for people. */
import type { ActionName, ActionOutput } from "../hypervisor/actions.js";
import type {
  AuditEntry,
  HostView,
  HypervisorEvent,
  ImageView,
  MachineView,
  OperationView,
  PoolView,
  Sample,
  SnapshotView,
  TokenView,
} from "../hypervisor/schemas.js";
import { dateTime, percent, plainText, printable, shortBytes, shortTime, table } from "./amounts.js";

type Printers = { readonly [A in ActionName]: (answer: ActionOutput<A>, nowMs: number) => readonly string[] };

/** The lines of an answer. */
export function answerLines<A extends ActionName>(
  action: A,
  answer: ActionOutput<A>,
  nowMs: number,
): readonly string[] {
  return PRINTERS[action](answer, nowMs);
}

const status = (view: MachineView) => [`${view.spec.name}: ${view.status}`];
const statuses = (views: readonly MachineView[]) => views.flatMap(status);
const nothing = () => [];

const PRINTERS: Printers = {
  "host.get": hostLines,
  "machine.list": machineLines,
  "machine.get": machineDetails,
  "machine.create": status,
  "machine.set": status,
  "machine.destroy": nothing,
  "machine.start": status,
  "machine.shutdown": status,
  "machine.stop": status,
  "machine.pause": status,
  "machine.resume": status,
  "machine.reset": status,
  "machine.hibernate": status,
  "machine.exec": ({ stdout }) => [stdout],
  "machine.logs": ({ text }) => [plainText(text).replace(/\n$/, "")],
  "machine.samples": sampleLines,
  "machine.fork": statuses,
  "snapshot.list": snapshotLines,
  "snapshot.create": nothing,
  "snapshot.restore": status,
  "snapshot.delete": nothing,
  "pool.list": poolLines,
  "pool.create": nothing,
  "pool.set": nothing,
  "pool.delete": nothing,
  "image.list": imageLines,
  "image.build": nothing,
  "operation.list": operationLines,
  "operation.get": (view) => operationLines([view]),
  "event.list": (events) => events.map(eventLine),
  "audit.list": auditLines,
  "token.list": tokenLines,
  "token.current": (view) => tokenLines([view]),
  "token.create": ({ secret }) => [secret],
  "token.revoke": nothing,
};

export function eventLine({ time, kind, message }: HypervisorEvent): string {
  return `${dateTime(time)}  ${kind.padEnd(18)}  ${printable(message)}`;
}

function hostLines(host: HostView, nowMs: number): readonly string[] {
  const { machines, processors, reservedProcessors, workers } = host;
  const used = workers.reduce((sum, worker) => sum + worker.processors, 0);
  return [
    `version      ${host.version}, up ${shortTime(nowMs - host.startedAt)}`,
    `processors   ${processors}, ${percent(used)} in use, ${percent(reservedProcessors)} reserved`,
    `workers      ${workers.map((worker) => `${percent(worker.processors)} for ${worker.machines}`).join(", ")}`,
    `memory       ${shortBytes(host.memoryUsedByteLength)} of ${shortBytes(host.memoryBudgetByteLength)}`,
    `machines     ${machines.total}: ${machines.running} running, ${machines.hibernated} hibernated`,
  ];
}

export function limitOf(limit: number | null): string {
  return limit === null ? "-" : percent(limit);
}

function machineLines(views: readonly MachineView[], nowMs: number): readonly string[] {
  return table(
    ["NAME", "STATUS", "CPU", "SHARES", "LIMIT", "MEMORY", "UPTIME", "POOL", "IMAGE"],
    views.map(({ spec, status: is, load, startedAt }) => [
      spec.name,
      is,
      percent(load.processors),
      String(spec.cpu.shares),
      limitOf(spec.cpu.limit),
      `${shortBytes(load.touchedByteLength)} / ${spec.memoryMiB} MiB`,
      startedAt === null ? "-" : shortTime(nowMs - startedAt),
      spec.pool,
      spec.image,
    ]),
  );
}

function machineDetails({ spec, load, usage, ...view }: MachineView, nowMs: number): readonly string[] {
  const { cpu } = spec;
  const folders = spec.folders.map(
    ({ directory, tag, readOnly }) => `${directory} as ${tag}${readOnly ? ", readonly" : ""}`,
  );
  const rows: readonly (readonly [string, string])[] = [
    ["name", spec.name],
    ["status", view.failure === null ? view.status : `${view.status}: ${view.failure}`],
    ["image", spec.image],
    ["made", dateTime(view.createdAt)],
    ["uptime", view.startedAt === null ? "-" : shortTime(nowMs - view.startedAt)],
    ["harts", String(spec.harts)],
    ["memory", `${spec.memoryMiB} MiB, ${shortBytes(load.touchedByteLength)} touched`],
    ["processor", `${percent(load.processors)}, ${percent(load.steal)} stolen`],
    ["shares", `${cpu.shares} in ${spec.pool}, reservation ${percent(cpu.reservation)}, limit ${limitOf(cpu.limit)}`],
    ["networks", spec.networks.join("; ") || "-"],
    ["folders", folders.join("; ") || "-"],
    ["autostart", spec.autostart ? "yes" : "no"],
    ["restart", spec.restart],
    ["saved", spec.saveEverySeconds === null ? "when asked" : `every ${shortTime(spec.saveEverySeconds * 1000)}`],
    ["isolated", spec.isolated ? "yes" : "no"],
    ["virtio", spec.virtio],
    ["file", shortBytes(load.savedByteLength)],
    ["used", `${usage.processorSeconds.toFixed(1)} s of a processor, ${usage.instructions} instructions`],
    ["disk", `${shortBytes(usage.diskReadBytes)} read, ${shortBytes(usage.diskWrittenBytes)} written`],
    ["network", `${shortBytes(usage.networkReceivedBytes)} received, ${shortBytes(usage.networkSentBytes)} sent`],
    ["energy", `about ${usage.energyJoules.toFixed(0)} J`],
    ["description", spec.description || "-"],
  ];
  return rows.map(([name, value]) => `${name.padEnd(11)}  ${printable(value)}`);
}

function sampleLines(samples: readonly Sample[]): readonly string[] {
  return table(
    ["TIME", "CPU", "STEAL", "MEMORY", "DISK", "NETWORK"],
    samples.map((sample) => [
      dateTime(sample.time),
      percent(sample.processors),
      percent(sample.steal),
      shortBytes(sample.touchedByteLength),
      `${shortBytes(sample.diskBytesPerSecond)}/s`,
      `${shortBytes(sample.networkBytesPerSecond)}/s`,
    ]),
  );
}

export function snapshotLines(snapshots: readonly SnapshotView[]): readonly string[] {
  return table(
    ["NAME", "CONTINUES", "TAKEN", "SIZE", ""],
    snapshots.map(({ name, parent, createdAt, ownByteLength, automatic, present }) => [
      name,
      parent ?? "-",
      dateTime(createdAt),
      shortBytes(ownByteLength),
      [...(automatic ? ["automatic"] : []), ...(present ? ["goes on from here"] : [])].join(", "),
    ]),
  );
}

function poolLines(pools: readonly PoolView[]): readonly string[] {
  return table(
    ["NAME", "PARENT", "SHARES", "RESERVATION", "LIMIT", "CPU", "MACHINES"],
    pools.map(({ spec, load, machines }) => [
      spec.name,
      spec.parent ?? "-",
      String(spec.cpu.shares),
      percent(spec.cpu.reservation),
      limitOf(spec.cpu.limit),
      percent(load.processors),
      machines.join(" ") || "-",
    ]),
  );
}

function imageLines(images: readonly ImageView[]): readonly string[] {
  return table(
    ["NAME", "STATE", "SIZE"],
    images.map(({ name, built, byteLength }) => [
      name,
      built ? "built" : "not built",
      built ? shortBytes(byteLength) : "-",
    ]),
  );
}

function operationLines(operations: readonly OperationView[]): readonly string[] {
  return table(
    ["ID", "ACTION", "MACHINE", "STATUS", "BEGUN", "MESSAGE"],
    operations.map(({ id, action, machine, status: is, progress, startedAt, message, error }) => [
      id,
      action,
      machine ?? "-",
      is === "running" && progress !== null ? `${is}, ${percent(progress)}` : is,
      dateTime(startedAt),
      error?.message ?? message,
    ]),
  );
}

function auditLines(entries: readonly AuditEntry[]): readonly string[] {
  return table(
    ["TIME", "WHO", "ACTION", "MACHINE", "OUTCOME", "MESSAGE"],
    entries.map(({ time, principal, action, machine, outcome, message }) => [
      dateTime(time),
      principal,
      action,
      machine ?? "-",
      outcome,
      message,
    ]),
  );
}

function tokenLines(tokens: readonly TokenView[]): readonly string[] {
  return table(
    ["ID", "LABEL", "ROLE", "MADE", "EXPIRES", "LAST USED"],
    tokens.map(({ id, label, role, createdAt, expiresAt, lastUsedAt }) => [
      id,
      label,
      role,
      dateTime(createdAt),
      expiresAt === null ? "never" : dateTime(expiresAt),
      lastUsedAt === null ? "never" : dateTime(lastUsedAt),
    ]),
  );
}
