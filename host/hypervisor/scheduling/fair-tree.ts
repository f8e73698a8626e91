import { assert, VivariumError } from "../../util/errors.js";
import { ROOT_POOL } from "../machine-spec.js";
import { type FairNode, FairPool, GRANT_MS_MIN, LONE_SLICE_MS, SLICE_MS } from "./fair-node.js";
import type { PoolPolicy, ProcessorSettings } from "./settings.js";

/** Whose turn it is. */
export type Choice<M extends FairNode> =
  | { readonly kind: "turn"; readonly member: M; readonly sliceMs: number }
  /** Everybody who wants to run is at a limit; the first one may in so many milliseconds. */
  | { readonly kind: "wait"; readonly ms: number }
  /** Nobody wants to run. */
  | { readonly kind: "idle" };

/**
 * Divides one processor among machines in nested pools: start-time fair queueing at every level, below which come
 * limits, and above which come reservations. Decides and counts; runs nothing, and knows no clock.
 *
 * P. Goyal, H. Vin, H. Cheng, "Start-time Fair Queuing", 1996: of the members that want to run, the one with the
 * earliest virtual time has the next turn; one that comes begins where the last turn began. Two members that always
 * want to run never differ by more than a slice of each.
 */
export class FairTree<M extends FairNode = FairNode> {
  readonly #root = new FairPool();
  readonly #pools = new Map<string, FairPool>([[ROOT_POOL, this.#root]]);
  #turn = 0;
  #readyCount = 0;

  /** Members that want to run. */
  get readyCount(): number {
    return this.#readyCount;
  }

  /** The pools are these and no others; those that stay keep their account. A pool that goes must be empty. */
  setPools(pools: readonly PoolPolicy[], nowMs: number): void {
    for (const { name } of pools) {
      if (!this.#pools.has(name)) this.#pools.set(name, new FairPool());
    }
    for (const { name, parent, cpu } of pools) {
      const pool = this.#pool(name);
      this.#attach(pool, this.#pool(parent), nowMs);
      pool.configure(cpu, nowMs);
    }
    const kept = new Set([ROOT_POOL, ...pools.map(({ name }) => name)]);
    for (const [name, pool] of this.#pools) {
      if (kept.has(name)) continue;
      for (const member of pool.members) this.#attach(member, this.#root, nowMs);
      this.#detach(pool, nowMs);
      this.#pools.delete(name);
    }
  }

  hasPool(name: string): boolean {
    return this.#pools.has(name);
  }

  /** Adds a member, or changes where it is and what it gets. */
  place(member: M, pool: string, settings: ProcessorSettings, nowMs: number): void {
    this.#attach(member, this.#pool(pool), nowMs);
    member.configure(settings, nowMs);
  }

  remove(member: M, nowMs: number): void {
    this.unready(member, nowMs);
    this.#detach(member, nowMs);
  }

  /** The member wants to run from now on. */
  ready(member: M, nowMs: number): void {
    if (member.isReady) return;
    this.#readyCount++;
    this.#setReady(member, nowMs);
  }

  unready(member: M, nowMs: number): void {
    if (!member.isReady) return;
    this.#readyCount--;
    this.#setUnready(member, nowMs);
  }

  /** Whose turn it is now. It lasts until `charge`. */
  choose(nowMs: number): Choice<M> {
    if (this.#readyCount === 0) return { kind: "idle" };
    const found = this.#search(this.#root, nowMs);
    if (typeof found === "number") return { kind: "wait", ms: found };
    this.#turn++;
    let sliceMs = this.#readyCount > 1 ? SLICE_MS : LONE_SLICE_MS;
    for (let node: FairNode | null = found; node !== null; node = node.parent) {
      sliceMs = Math.min(sliceMs, node.allowedMs);
      node.beginTurn(this.#turn);
    }
    return { kind: "turn", member: found, sliceMs: Math.max(sliceMs, GRANT_MS_MIN) };
  }

  /** The member has had the processor for `usedMs` of its time, until now. */
  charge(member: M, usedMs: number, nowMs: number): void {
    for (let node: FairNode | null = member; node !== null; node = node.parent) node.charge(usedMs, nowMs);
  }

  /** @returns who is first of those that may run, or in how many milliseconds one may */
  #search(pool: FairPool, nowMs: number): M | number {
    let heldBackMs = Number.POSITIVE_INFINITY;
    const candidates = new Set<FairNode>();
    for (const node of pool.ready) {
      node.update(nowMs);
      if (node.heldBackMs > 0) {
        node.holdBack();
        heldBackMs = Math.min(heldBackMs, node.heldBackMs);
      } else {
        node.admit();
        candidates.add(node);
      }
    }
    for (let first = firstOf(candidates); first !== null; first = firstOf(candidates)) {
      if (!(first instanceof FairPool)) return first as M;
      const found = this.#search(first, nowMs);
      if (typeof found !== "number") return found;
      heldBackMs = Math.min(heldBackMs, found);
      // What its members may not use now it does not catch up with.
      first.holdBack();
      candidates.delete(first);
    }
    return heldBackMs;
  }

  #pool(name: string): FairPool {
    const pool = this.#pools.get(name);
    if (pool === undefined) throw new VivariumError("pool/unknown", `there is no pool ${name}`, { pool: name });
    return pool;
  }

  #attach(node: FairNode, parent: FairPool, nowMs: number): void {
    if (node.parent === parent) return;
    const wasReady = node.isReady;
    this.#detach(node, nowMs);
    node.parent = parent;
    node.virtualMs = parent.clockMs;
    parent.members.add(node);
    if (wasReady) this.#setReady(node, nowMs);
  }

  #detach(node: FairNode, nowMs: number): void {
    const { parent } = node;
    if (parent === null) return;
    if (node.isReady) this.#setUnready(node, nowMs);
    parent.members.delete(node);
    node.parent = null;
  }

  /** A pool wants to run as long as one of its members does. */
  #setReady(node: FairNode, nowMs: number): void {
    node.become(true, nowMs);
    const { parent } = node;
    if (parent === null) return;
    parent.update(nowMs);
    parent.ready.add(node);
    if (!parent.isReady) this.#setReady(parent, nowMs);
  }

  #setUnready(node: FairNode, nowMs: number): void {
    node.become(false, nowMs);
    const { parent } = node;
    if (parent === null) return;
    parent.update(nowMs);
    assert(parent.ready.delete(node), "a member that was ready was not known to its pool");
    if (parent.ready.size === 0) this.#setUnready(parent, nowMs);
  }
}

function firstOf(nodes: ReadonlySet<FairNode>): FairNode | null {
  let first: FairNode | null = null;
  for (const node of nodes) {
    if (first === null || isBefore(node, first)) first = node;
  }
  return first;
}

/** Those behind their reservations come first, the one that is longest behind before the others. */
function isBefore(a: FairNode, b: FairNode): boolean {
  const [urgencyA, urgencyB] = [Math.max(0, a.urgency), Math.max(0, b.urgency)];
  if (urgencyA !== urgencyB) return urgencyA > urgencyB;
  if (a.virtualMs !== b.virtualMs) return a.virtualMs < b.virtualMs;
  return a.lastTurn < b.lastTurn;
}
