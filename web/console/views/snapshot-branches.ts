import type { SnapshotView } from "../../../host/control/hypervisor/schemas.js";

export interface TreeRow {
  readonly snapshot: SnapshotView;
  /** How many branches lie between it and the root; a point that simply continues its parent is as deep as that. */
  readonly depth: number;
}

/** The tree from its roots, each point followed by what came of it; the newest branch goes on straight. */
export function branchesOf(snapshots: readonly SnapshotView[]): readonly TreeRow[] {
  const known = new Set(snapshots.map(({ name }) => name));
  const children = new Map<string | null, SnapshotView[]>();
  for (const snapshot of [...snapshots].sort((a, b) => a.createdAt - b.createdAt)) {
    const parent = snapshot.parent !== null && known.has(snapshot.parent) ? snapshot.parent : null;
    children.set(parent, [...(children.get(parent) ?? []), snapshot]);
  }
  const rows: TreeRow[] = [];
  // Not recursive: a machine may have saved itself thousands of times, one after the other.
  const open = (children.get(null) ?? []).map((snapshot) => ({ snapshot, depth: 0 })).reverse();
  for (let row = open.pop(); row !== undefined; row = open.pop()) {
    const { snapshot, depth } = row;
    rows.push(row);
    const next = children.get(snapshot.name) ?? [];
    const branches = next.map((child, index) => ({ snapshot: child, depth: depth + next.length - 1 - index }));
    open.push(...branches.reverse());
  }
  return rows;
}
