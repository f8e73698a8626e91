import type { FastifyInstance } from "fastify";
import { Counter, Gauge, Registry } from "prom-client";
import type { HostView, Load, MachineView, PoolView, Usage } from "../../../control/hypervisor/schemas.js";
import type { HypervisorService } from "../../../control/hypervisor/service.js";

/** A reading of every machine and pool. `name` is Prometheus's; OpenTelemetry's has dots. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  /** Of UCUM, as OpenTelemetry wants it. */
  readonly unit: string;
  /** Whether it only grows. */
  readonly isCounter: boolean;
  readonly of: (view: { readonly usage: Usage; readonly load: Load }) => number;
}

const total = (name: string, unit: string, help: string, field: keyof Usage): Metric => ({
  name: `vivarium_${name}_total`,
  help,
  unit,
  isCounter: true,
  of: ({ usage }) => usage[field],
});
const current = (name: string, unit: string, help: string, field: keyof Load): Metric => ({
  name: `vivarium_${name}`,
  help,
  unit,
  isCounter: false,
  of: ({ load }) => load[field],
});

export const METRICS: readonly Metric[] = [
  total("instructions", "{instruction}", "Instructions retired", "instructions"),
  total("processor_seconds", "s", "Time on a processor of the host", "processorSeconds"),
  total("memory_gib_seconds", "GiBy.s", "Touched memory over time", "memoryGibSeconds"),
  total("energy_joules", "J", "Energy, as docs/hypervisor.md estimates it", "energyJoules"),
  total("disk_read_bytes", "By", "Read from disks", "diskReadBytes"),
  total("disk_written_bytes", "By", "Written to disks", "diskWrittenBytes"),
  total("disk_reads", "{operation}", "Reads of disks", "diskReads"),
  total("disk_writes", "{operation}", "Writes to disks", "diskWrites"),
  total("network_received_bytes", "By", "Received from networks", "networkReceivedBytes"),
  total("network_sent_bytes", "By", "Sent to networks", "networkSentBytes"),
  total("network_received_frames", "{frame}", "Frames received from networks", "networkReceivedFrames"),
  total("network_sent_frames", "{frame}", "Frames sent to networks", "networkSentFrames"),
  current("processors", "{processor}", "Host processors in use", "processors"),
  current("processors_entitled", "{processor}", "Host processors it has a right to now", "entitlement"),
  current("steal_ratio", "1", "Part of the time in which it wanted a processor and had none", "steal"),
  current("memory_touched_bytes", "By", "Memory touched", "touchedByteLength"),
  current("memory_balloon_bytes", "By", "Memory in the balloon", "balloonByteLength"),
  current("saved_bytes", "By", "Size of the file", "savedByteLength"),
];

/** What is read of a hypervisor at one moment. */
export interface Readings {
  readonly machines: readonly MachineView[];
  readonly pools: readonly PoolView[];
  readonly host: HostView;
}

/** Where readings come from. */
export class MetricSource {
  readonly #service: HypervisorService;

  constructor(service: HypervisorService) {
    this.#service = service;
  }

  async read(): Promise<Readings> {
    const context = { principal: "local" };
    const [machines, pools, host] = await Promise.all([
      this.#service.perform("machine.list", {}, context),
      this.#service.perform("pool.list", {}, context),
      this.#service.perform("host.get", {}, context),
    ]);
    return { machines, pools, host };
  }
}

/** One series of a metric: whose it is, and its value. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A metric's series; pools have names of their own, as the sum over machines is meant to count each once. */
export function machineSeries(metric: Metric, { machines }: Readings): Series[] {
  return machines.map((view) => ({
    labels: { machine: view.spec.name, pool: view.spec.pool },
    value: metric.of(view),
  }));
}

export function poolSeries(metric: Metric, { pools }: Readings): Series[] {
  return pools.map((view) => ({ labels: { pool: view.spec.name }, value: metric.of(view) }));
}

export function poolName(name: string): string {
  return name.replace("vivarium_", "vivarium_pool_");
}

/** What is known of the host. */
export const HOST_GAUGES: readonly {
  readonly name: string;
  readonly help: string;
  readonly of: (host: HostView) => number;
}[] = [
  { name: "vivarium_host_processors", help: "Processors of the host", of: (host) => host.processors },
  { name: "vivarium_host_processors_reserved", help: "Processors reserved", of: (host) => host.reservedProcessors },
  { name: "vivarium_host_memory_budget_bytes", help: "Memory for machines", of: (host) => host.memoryBudgetByteLength },
  { name: "vivarium_host_memory_used_bytes", help: "Memory in use", of: (host) => host.memoryUsedByteLength },
  { name: "vivarium_host_machines", help: "Machines there are", of: (host) => host.machines.total },
  { name: "vivarium_host_machines_running", help: "Machines that run", of: (host) => host.machines.running },
];

/** Serves the readings in Prometheus's text format. */
export function serveMetrics(app: FastifyInstance, source: MetricSource): void {
  app.get("/metrics", {
    config: { role: "viewer", action: "metrics" },
    schema: {
      operationId: "metrics",
      summary: "All readings, for Prometheus",
      description: "Role: viewer.",
      tags: ["host"],
      produces: ["text/plain"],
      response: { 200: { type: "string", description: "Prometheus's text format" } },
    },
    handler: async (_, reply) => {
      const registry = registryOf(await source.read());
      return reply.type(registry.contentType).send(await registry.metrics());
    },
  });
}

/** Made anew for each answer: the readings are the hypervisor's, and a machine that is gone has none. */
function registryOf(readings: Readings): Registry {
  const registry = new Registry();
  const add = (name: string, help: string, isCounter: boolean, labelNames: string[], series: readonly Series[]) => {
    const options = { name, help, labelNames, registers: [registry] };
    const metric = isCounter ? new Counter(options) : new Gauge(options);
    for (const { labels, value } of series) metric.inc(labels, value);
  };
  for (const metric of METRICS) {
    const { name, help, isCounter } = metric;
    add(name, help, isCounter, ["machine", "pool"], machineSeries(metric, readings));
    add(poolName(name), `${help}, of a pool`, isCounter, ["pool"], poolSeries(metric, readings));
  }
  const running = readings.machines.map(({ spec, status }) => ({
    labels: { machine: spec.name, pool: spec.pool, status },
    value: 1,
  }));
  add(
    "vivarium_machine_status",
    "1 for the status that the machine has",
    false,
    ["machine", "pool", "status"],
    running,
  );
  for (const { name, help, of } of HOST_GAUGES) add(name, help, false, [], [{ labels: {}, value: of(readings.host) }]);
  return registry;
}
