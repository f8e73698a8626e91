import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { median } from "./statistics.js";
import type { LargeFigure, SmallFigure, Unmeasured } from "./subject.js";

/** The system that everything else is compared with. */
export const OURS = "vivarium";

/** All that one call of the bench has found out. */
export interface Report {
  /** ISO 8601. */
  readonly date: string;
  readonly host: HostDescription;
  /** Name and version of each system that large subjects ran on. */
  readonly systems: readonly { readonly system: string; readonly version: string }[];
  readonly small: readonly SmallFigure[];
  readonly large: readonly LargeFigure[];
  readonly unmeasured: readonly Unmeasured[];
}

export interface HostDescription {
  readonly processor: string;
  readonly processorCount: number;
  readonly memoryMiB: number;
  readonly os: string;
  readonly node: string;
}

/** The text for people: a table of small subjects, one of large ones, and what was not measured. */
export function formatReport(report: Report): string {
  const { host } = report;
  const parts = [
    `${host.processor}, ${host.processorCount} processors, ${host.memoryMiB} MiB; ${host.os}; Node ${host.node}`,
    ...report.systems.map(({ system, version }) => `${system}: ${version}`),
  ];
  if (report.small.length > 0) parts.push("", formatTable(smallRows(report.small)));
  if (report.large.length > 0) parts.push("", formatTable(largeRows(report.large)), "", LARGE_LEGEND);
  if (report.unmeasured.length > 0) {
    parts.push("", ...report.unmeasured.map(({ kind, subject, reason }) => `${subject}: ${kind}: ${reason}`));
  }
  return `${parts.join("\n")}\n`;
}

const LARGE_LEGEND =
  "Seconds are medians. A ratio is our seconds by theirs of the same run, again the median: below 1 we are faster.";

/** Every figure with all its samples, for programs. */
export async function writeJson(report: Report, file: string): Promise<void> {
  const large = report.large.map((figure) => ({
    subject: figure.subject,
    work: figure.work,
    systems: figure.systems.map(({ system, samples }) => ({
      system,
      medianSeconds: median(samples.map((sample) => sample.seconds)),
      ratio: system === OURS ? 1 : ratioTo(figure, system),
      samples,
    })),
  }));
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify({ ...report, large }, null, 2)}\n`);
}

/** Our seconds by those of `system`, run by run, the median; NaN when one of the two has none. */
export function ratioTo(figure: LargeFigure, system: string): number {
  const ours = samplesOf(figure, OURS);
  const theirs = samplesOf(figure, system);
  const pairs = ours.slice(0, theirs.length).map((seconds, run) => seconds / theirs[run]!);
  return median(pairs);
}

function samplesOf(figure: LargeFigure, system: string): readonly number[] {
  const samples = figure.systems.find((each) => each.system === system)?.samples ?? [];
  return samples.map((sample) => sample.seconds);
}

function smallRows(figures: readonly SmallFigure[]): string[][] {
  return [
    ["subject", "operation", "ns each", "M each s", "+- %"],
    ...figures.map((figure) => [
      figure.subject,
      figure.operation,
      significant(figure.nsPerOperation),
      significant(1000 / figure.nsPerOperation),
      figure.marginPercent.toFixed(1),
    ]),
  ];
}

function largeRows(figures: readonly LargeFigure[]): string[][] {
  const peers = [...new Set(figures.flatMap(({ systems }) => systems.map(({ system }) => system)))].filter(
    (system) => system !== OURS,
  );
  return [
    ["subject", "work", `${OURS} s`, ...peers.flatMap((peer) => [`${peer} s`, "ratio"])],
    ...figures.map((figure) => [
      figure.subject,
      figure.work,
      significant(median(samplesOf(figure, OURS))),
      ...peers.flatMap((peer) => [significant(median(samplesOf(figure, peer))), significant(ratioTo(figure, peer))]),
    ]),
  ];
}

/** Three significant digits, or "-" where there is no figure. */
export function significant(value: number): string {
  if (!Number.isFinite(value)) return "-";
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** Columns as wide as they must be; the first two are words, the others numbers. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row.map((cell, column) => (column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join("  ");
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  const [head, ...body] = rows.map((row) => line(row).trimEnd());
  return [head, rule, ...body].join("\n");
}
