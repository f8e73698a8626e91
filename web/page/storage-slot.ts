import { deleteKeptFile, keptFiles } from "../../host/platform/browser/index.js";

const PREFERENCE = "vivarium.machine";
const FIRST = "machine";

/**
 * The file that this browser's machine is in, and whether there is none yet. An opened one gets a file of its own before
 * it takes the other's place.
 */
export async function presentSlot(): Promise<{ readonly name: string; readonly isEmpty: boolean }> {
  const slots = await keptFiles();
  const preferred = readPreference();
  const present = preferred !== null && slots.includes(preferred) ? preferred : (slots[0] ?? FIRST);
  // What a tab that was closed in the middle has left. Another tab's file cannot be deleted.
  await Promise.all(slots.filter((slot) => slot !== present).map(deleteKeptFile));
  return { name: present, isEmpty: slots.length === 0 };
}

/** A name that no file has. */
export function freshSlot(): string {
  return `${FIRST}-${Date.now().toString(36)}`;
}

/** The next visit begins with this one. */
export function preferSlot(slot: string): void {
  try {
    localStorage.setItem(PREFERENCE, slot);
  } catch {
    // Without it the next visit takes the file it finds.
  }
}

function readPreference(): string | null {
  try {
    return localStorage.getItem(PREFERENCE);
  } catch {
    return null;
  }
}
