import type { CpuSettings, PoolRequest, PoolSpec } from "../control/hypervisor/schemas.js";
import { VivariumError } from "../util/errors.js";
import { CPU_DEFAULT, ROOT_POOL } from "./machine-spec.js";
import type { Store } from "./store.js";

/** The pools that machines are in; all of them are in the root pool, which is the host. */
export class Pools {
  readonly #store: Store;
  readonly #pools: Map<string, PoolSpec>;

  constructor(store: Store) {
    this.#store = store;
    const root: PoolSpec = { name: ROOT_POOL, parent: null, cpu: CPU_DEFAULT };
    this.#pools = new Map([root, ...store.pools()].map((pool) => [pool.name, pool]));
  }

  /** The root pool comes first. */
  get all(): readonly PoolSpec[] {
    return [...this.#pools.values()];
  }

  /** @throws VivariumError `pool/unknown` */
  get(name: string): PoolSpec {
    const pool = this.#pools.get(name);
    if (pool !== undefined) return pool;
    const known = [...this.#pools.keys()].join(", ");
    throw new VivariumError("pool/unknown", `there is no pool ${name}; there is ${known}`, { pool: name });
  }

  /** A pool and all within it. */
  within(name: string): ReadonlySet<string> {
    const found = new Set([name]);
    for (let size = 0; size !== found.size; ) {
      size = found.size;
      for (const { name: each, parent } of this.#pools.values())
        if (parent !== null && found.has(parent)) found.add(each);
    }
    return found;
  }

  /** What a pool of that request would be. @throws VivariumError `pool/exists`, `pool/unknown` */
  planned({ name, parent = ROOT_POOL, cpu }: PoolRequest): PoolSpec {
    if (this.#pools.has(name))
      throw new VivariumError("pool/exists", `there is a pool ${name} already`, { pool: name });
    this.get(parent);
    return { name, parent, cpu: { ...CPU_DEFAULT, ...cpu } };
  }

  /** What a pool would be with other settings. @throws VivariumError `pool/unknown`, `pool/root` */
  changed(name: string, cpu: Partial<CpuSettings>): PoolSpec {
    const pool = this.get(name);
    if (pool.parent === null) throw new VivariumError("pool/root", "the root pool is the host, which is as it is");
    return { ...pool, cpu: { ...pool.cpu, ...cpu } };
  }

  put(pool: PoolSpec): void {
    this.#store.writePool(pool);
    this.#pools.set(pool.name, pool);
  }

  /** @throws VivariumError `pool/unknown`, `pool/root`, `pool/in-use` for one that something is in */
  delete(name: string, machines: readonly string[]): void {
    if (this.get(name).parent === null) throw new VivariumError("pool/root", "the root pool cannot be deleted");
    const pools = this.all.filter(({ parent }) => parent === name).map((pool) => pool.name);
    const members = [...machines, ...pools];
    if (members.length > 0) {
      throw new VivariumError("pool/in-use", `${name} is not empty: ${members.join(", ")}`, { pool: name });
    }
    this.#store.deletePool(name);
    this.#pools.delete(name);
  }
}
