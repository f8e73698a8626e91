import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { HOST_GAUGES, METRICS, type MetricSource, machineSeries, poolName, poolSeries } from "./metrics.js";

const EXPORT_MS = 15_000;

/**
 * Sends all readings to an OpenTelemetry collector, by OTLP over HTTP.
 *
 * @param url such as http://127.0.0.1:4318/v1/metrics
 * @returns a function that sends the last of them and ends
 */
export function startOtlp(
  url: string,
  source: MetricSource,
  log: (line: string) => void,
  exportMs: number = EXPORT_MS,
): () => Promise<void> {
  const exporter = new OTLPMetricExporter({ url });
  const reader = new PeriodicExportingMetricReader({
    exporter,
    exportIntervalMillis: exportMs,
    exportTimeoutMillis: Math.min(exportMs, 10_000),
  });
  const provider = new MeterProvider({ readers: [reader] });
  const meter = provider.getMeter("vivarium");
  const instrument = (name: string, description: string, unit: string, isCounter: boolean) => {
    const dotted = name.replace(/_total$/, "").replaceAll("_", ".");
    const options = { description, unit };
    return isCounter ? meter.createObservableCounter(dotted, options) : meter.createObservableGauge(dotted, options);
  };
  const rows = METRICS.map((metric) => ({
    metric,
    machine: instrument(metric.name, metric.help, metric.unit, metric.isCounter),
    pool: instrument(poolName(metric.name), `${metric.help}, of a pool`, metric.unit, metric.isCounter),
  }));
  const host = HOST_GAUGES.map(({ name, help, of }) => ({ of, gauge: instrument(name, help, "", false) }));
  meter.addBatchObservableCallback(
    async (result) => {
      const readings = await source.read();
      for (const { metric, machine, pool } of rows) {
        for (const { labels, value } of machineSeries(metric, readings)) result.observe(machine, value, labels);
        for (const { labels, value } of poolSeries(metric, readings)) result.observe(pool, value, labels);
      }
      for (const { of, gauge } of host) result.observe(gauge, of(readings.host));
    },
    [...rows.flatMap(({ machine, pool }) => [machine, pool]), ...host.map(({ gauge }) => gauge)],
  );
  return () =>
    provider.shutdown().catch((error: unknown) => {
      log(`--otlp: the last readings were not sent: ${error instanceof Error ? error.message : String(error)}`);
    });
}
