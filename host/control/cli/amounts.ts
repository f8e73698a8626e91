/** Figures as people read them. */
import { GIB, KIB, MIB } from "../byte-length.js";

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** About so much, in at most four digits: 12 KiB, 1.5 GiB. */
export function shortBytes(byteLength: number): string {
  for (const [unit, size] of [
    ["GiB", GIB],
    ["MiB", MIB],
    ["KiB", KIB],
  ] as const) {
    if (byteLength < size) continue;
    const amount = byteLength / size;
    return `${amount < 10 ? amount.toFixed(1) : Math.round(amount)} ${unit}`;
  }
  return `${Math.round(byteLength)} B`;
}

/** 42%, of one processor. */
export function percent(part: number): string {
  return `${Math.round(part * 100)}%`;
}

/** The two largest units: 3d 4h, 5m 6s. */
export function shortTime(ms: number): string {
  if (ms >= DAY_MS) return `${Math.floor(ms / DAY_MS)}d ${Math.floor((ms % DAY_MS) / HOUR_MS)}h`;
  if (ms >= HOUR_MS) return `${Math.floor(ms / HOUR_MS)}h ${Math.floor((ms % HOUR_MS) / MINUTE_MS)}m`;
  if (ms >= MINUTE_MS) return `${Math.floor(ms / MINUTE_MS)}m ${Math.floor((ms % MINUTE_MS) / SECOND_MS)}s`;
  return `${Math.max(0, Math.floor(ms / SECOND_MS))}s`;
}

/** 2026-11-22 15:04:05, in UTC. */
export function dateTime(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}

/**
 * Text that came from elsewhere, for a terminal: what could move the cursor or recolour the screen is shown, not done.
 */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, "\u{fffd}");
}

/** What a guest wrote, without what would ask this terminal something or change it: ECMA-48's sequences and controls. */
export function plainText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const sequences = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[ -/]*[0-~])/gu;
  return text.replaceAll(sequences, "").replaceAll(/[^\P{Cc}\n\t]/gu, "");
}

/** Columns as wide as they have to be; the last is not filled up. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const lines = [head, ...rows.map((row) => row.map(printable))];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
}
