import { describe, expect, it } from "vitest";
import type { SnapshotView } from "../../host/control/hypervisor/schemas.js";
import { branchesOf } from "../../web/console/views/snapshot-branches.js";

function tree(parents: Readonly<Record<string, string | null>>): readonly SnapshotView[] {
  return Object.entries(parents).map(([name, parent], createdAt) => ({
    name,
    parent,
    createdAt,
    instructions: 0,
    ownByteLength: 0,
    automatic: false,
    present: false,
  }));
}

const drawn = (snapshots: readonly SnapshotView[]): readonly string[] =>
  branchesOf(snapshots).map(({ snapshot, depth }) => `${"  ".repeat(depth)}${snapshot.name}`);

describe("the console's snapshot tree", () => {
  it("keeps a history without branches in one line", () => {
    expect(drawn(tree({ a: null, b: "a", c: "b" }))).toEqual(["a", "b", "c"]);
  });
  it("puts older branches further in, and the newest straight on", () => {
    expect(drawn(tree({ a: null, old: "a", older: "old", fresh: "a" }))).toEqual(["a", "  old", "  older", "fresh"]);
  });
  it("makes a root of a point whose parent is deleted, and shows every point once", () => {
    expect(drawn(tree({ b: "gone", c: "b", d: null }))).toEqual(["b", "c", "d"]);
  });
  it("shows a history of 100,000 points", () => {
    const parents = Object.fromEntries(
      Array.from({ length: 100_000 }, (_, index) => [`s${index}`, index === 0 ? null : `s${index - 1}`]),
    );
    expect(branchesOf(tree(parents)).at(-1)).toMatchObject({ snapshot: { name: "s99999" }, depth: 0 });
  });
});
