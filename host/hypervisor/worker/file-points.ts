import type { MachineFile } from "../../snapshot/machine-file.js";
import type { FilePoint } from "../messages.js";

/** The points of a machine's history that somebody named, oldest first. */
export function pointsOf(file: MachineFile): readonly FilePoint[] {
  const { snapshots } = file;
  const lengths = file.packedLengths();
  const chunks = new Map(snapshots.map((snapshot) => [snapshot.id, file.chunksOf(snapshot)]));
  const users = new Map<number, number>();
  for (const ids of chunks.values()) for (const id of ids) users.set(id, (users.get(id) ?? 0) + 1);
  const names = new Map(snapshots.map(({ id, name }) => [id, name]));
  const continued = snapshots.find(({ present }) => present);
  // Where the machine was left has no name of its own: it goes on from the point before it.
  const present = continued?.name ?? (continued?.parent == null ? null : (names.get(continued.parent) ?? null));
  return snapshots.flatMap(({ id, name, parent, takenMs, instructions, kind }) => {
    if (name === null) return [];
    const own = [...chunks.get(id)!].filter((chunk) => users.get(chunk) === 1);
    return {
      name,
      parent: parent === null ? null : (names.get(parent) ?? null),
      createdAt: takenMs,
      instructions: Number(instructions),
      ownByteLength: own.reduce((sum, chunk) => sum + (lengths.get(chunk) ?? 0), 0),
      automatic: kind === "automatic",
      present: name === present,
    };
  });
}
