/** Saved states as JSON text. Bytes, which JSON lacks, become `{"$bytes": "00ff..."}`. */
import { fromHex, toHex } from "../util/bytes.js";
import { VivariumError } from "../util/errors.js";
import type { SavedState, SavedValue } from "../util/schema.js";

const BYTES = "$bytes";
/** States are some levels deep; a deeper one is not ours. */
const DEPTH_MAX = 32;

export function writeState(state: SavedState): string {
  return JSON.stringify(writable(state));
}

/**
 * Reads what `writeState` wrote. What it says is for `decode` to check.
 *
 * @param path for the message
 * @throws VivariumError `bad-state` for a text that is no saved state
 */
export function readState(text: string, path: string): SavedState {
  let parsed: unknown;
  try {
    parsed = readable(JSON.parse(text), DEPTH_MAX);
  } catch {
    throw new VivariumError("bad-state", `${path}: expected a saved state as JSON`, { path });
  }
  return parsed as SavedState;
}

function writable(value: SavedValue): unknown {
  if (value instanceof Uint8Array) return { [BYTES]: toHex(value) };
  if (Array.isArray(value)) return value.map(writable);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, writable(field)]));
}

function readable(value: unknown, depth: number): SavedValue {
  if (typeof value !== "object" || value === null) return value as SavedValue;
  if (depth === 0) throw new RangeError("too deep");
  if (Array.isArray(value)) return value.map((item) => readable(item, depth - 1));
  const entries = Object.entries(value);
  const [name, hex] = entries[0] ?? [];
  if (entries.length === 1 && name === BYTES && typeof hex === "string") return fromHex(hex);
  return Object.fromEntries(entries.map(([field, item]) => [field, readable(item, depth - 1)]));
}
