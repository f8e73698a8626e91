import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { MetricSource } from "../../../host/platform/node/serve/metrics.js";
import { startOtlp } from "../../../host/platform/node/serve/otlp.js";
import { FakeHypervisor } from "./fake-hypervisor.js";
import { eventually } from "./harness.js";

test("otlp: readings reach a collector by machine and pool, counters as sums that only grow", async () => {
  const service = new FakeHypervisor();
  await service.perform("machine.create", { name: "web" }, { principal: "test" });
  // biome-ignore lint/suspicious/noExplicitAny: what a collector is sent
  const received: any[] = [];
  const collector = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      received.push(JSON.parse(Buffer.concat(pieces).toString("utf8")));
      response.writeHead(200, { "Content-Type": "application/json" }).end("{}");
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  const { port } = collector.address() as AddressInfo;
  const log: string[] = [];
  const stop = startOtlp(
    `http://127.0.0.1:${port}/v1/metrics`,
    new MetricSource(service),
    (line) => log.push(line),
    100,
  );
  await eventually(() => received.length >= 2);
  await stop();
  collector.close();
  const metrics = received[0].resourceMetrics[0].scopeMetrics[0].metrics;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  const named = (name: string): any => metrics.find((metric: { name: string }) => metric.name === name);
  const sum = named("vivarium.processor.seconds").sum;
  expect(sum.isMonotonic).toBe(true);
  expect(sum.dataPoints[0].attributes).toEqual(
    expect.arrayContaining([
      { key: "machine", value: { stringValue: "web" } },
      { key: "pool", value: { stringValue: "root" } },
    ]),
  );
  expect(named("vivarium.pool.processors").gauge.dataPoints[0].attributes).toEqual([
    { key: "pool", value: { stringValue: "root" } },
  ]);
  expect(log).toEqual([]);
});
