import type { MachineFile, Snapshot } from "./machine-file.js";

/** A name for a snapshot that nobody names: when it was taken, in UTC, so that names sort by age. */
export function automaticName(prefix: "auto" | "left", nowMs: number, taken: readonly (string | null)[]): string {
  const name = `${prefix}-${new Date(nowMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "-")}`;
  if (!taken.includes(name)) return name;
  for (let count = 2; ; count++) if (!taken.includes(`${name}-${count}`)) return `${name}-${count}`;
}

/** Deletes the oldest automatic snapshots, so that `keepCount` stay; the one the machine goes on from is spared. */
export async function retire(file: MachineFile, keepCount: number): Promise<readonly Snapshot[]> {
  const automatic = file.snapshots.filter(({ kind }) => kind === "automatic");
  const retired = automatic.slice(0, Math.max(0, automatic.length - keepCount)).filter(({ present }) => !present);
  if (retired.length > 0) await file.delete(retired);
  return retired;
}
