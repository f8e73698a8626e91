import type { TranslationStats } from "../core/region-linker.js";

/** What `--stats` tells about a machine's run. */
export interface RunReport {
  /** Instructions retired by all harts. */
  readonly instructions: bigint;
  /** Wall-clock time the machine ran, boot included. */
  readonly elapsedMs: number;
  /** How often the processor handed over to the machine, by reason. */
  readonly exits: Readonly<Record<string, number>>;
  /** Of the last machine, if anything was translated. */
  readonly translation?: TranslationStats;
  /** Since power-on until the guest was ready: its prompt, or its answer to `--exec`. Absent if it never was. */
  readonly boot?: { readonly elapsedMs: number; readonly instructions: bigint };
  /** The instruction, from power-on, at which its recorded history ends. */
  readonly recordedTo?: bigint;
  /** Over harts, RAM and devices; where it says something: with the virtual clock, and at the end of a recording. */
  readonly stateHash?: string;
}

const LABEL_WIDTH = 14;

/** Lines for a reader and for `grep`: one fact each, name first. */
export function formatRunReport(report: RunReport): readonly string[] {
  const exits = Object.entries(report.exits).filter(([, count]) => count > 0);
  const lines = [
    row("instructions", String(report.instructions)),
    row("seconds", seconds(report.elapsedMs)),
    row("MIPS", mips(report.instructions, report.elapsedMs)),
    row("exits", exits.map(([reason, count]) => `${reason} ${count}`).join(", ") || "none"),
  ];
  const { boot, translation } = report;
  if (translation !== undefined) lines.push(...translationRows(translation, report.instructions));
  lines.push(row("boot", boot === undefined ? "not reached" : bootText(boot)));
  if (report.recordedTo !== undefined) lines.push(row("recorded to", String(report.recordedTo)));
  if (report.stateHash !== undefined) lines.push(row("state hash", report.stateHash));
  return lines;
}

function translationRows(translation: TranslationStats, instructions: bigint): readonly string[] {
  const { regions, modules, byteLength, translateMs, compileMs, exits, invalidations, restarts } = translation;
  const share = instructions === 0n ? 0 : (100 * Number(translation.instructions)) / Number(instructions);
  return [
    row("translated", `${share.toFixed(1)} % of the instructions`),
    row("regions", `${regions} in ${modules} modules, ${(byteLength / 1024).toFixed(0)} KiB`),
    row("compiling", `${seconds(translateMs)} s writing, ${seconds(compileMs)} s in the engine`),
    row(
      "regions left",
      Object.entries(exits)
        .map(([reason, count]) => `${reason} ${count}`)
        .join(", "),
    ),
    row("invalidated", `${invalidations} regions, everything ${restarts} times`),
  ];
}

function bootText(boot: { readonly elapsedMs: number; readonly instructions: bigint }): string {
  return `${seconds(boot.elapsedMs)} s, ${boot.instructions} instructions`;
}

function row(label: string, value: string): string {
  return `${label.padEnd(LABEL_WIDTH)}${value}`;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(2);
}

/** Million instructions a second. */
function mips(instructions: bigint, elapsedMs: number): string {
  return elapsedMs > 0 ? (Number(instructions) / elapsedMs / 1000).toFixed(1) : "0.0";
}
