import { useState } from "preact/hooks";
import type { PoolView } from "../../../host/control/hypervisor/schemas.js";
import { formatPercent } from "../client/format.js";
import { addressOf } from "../client/route.js";
import { act, useApp } from "../parts/app-context.js";
import { CpuSliders } from "../parts/cpu-sliders.js";
import { Confirm, FormDialog } from "../parts/dialog.js";
import { NameField, SelectField } from "../parts/fields.js";
import { Meter } from "../parts/figures.js";
import { Icon } from "../parts/icon.js";

/** How the host's processors are divided, from the whole to its parts. */
export function PoolsView() {
  const { store } = useApp();
  const [isCreating, setCreating] = useState(false);
  return (
    <main>
      <header class="view-head">
        <h2>Pools</h2>
        <button type="button" class="primary" onClick={() => setCreating(true)} disabled={store.role.value !== "admin"}>
          <Icon name="plus" />
          <span>Create</span>
        </button>
      </header>
      <p class="quiet intro">
        A pool's shares weigh it against the pools and machines beside it; what it gets is divided among its own. A
        reservation is always there when it is wanted, a limit is never exceeded.
      </p>
      <ol class="pools">
        {poolsInOrder(store.pools.value, null, 0).map(({ pool, depth }) => (
          <Pool key={pool.spec.name} pool={pool} depth={depth} />
        ))}
      </ol>
      {isCreating && <PoolDialog onClose={() => setCreating(false)} />}
    </main>
  );
}

function Pool({ pool, depth }: { readonly pool: PoolView; readonly depth: number }) {
  const app = useApp();
  const [isDeleting, setDeleting] = useState(false);
  const { spec, load, machines } = pool;
  const processors = app.store.host.value?.processors ?? 1;
  const isRoot = spec.parent === null;
  return (
    <li style={{ "--depth": depth }}>
      <header>
        <h3>{spec.name}</h3>
        {!isRoot && app.store.role.value === "admin" && (
          <button type="button" class="plain" aria-label={`Delete ${spec.name}`} onClick={() => setDeleting(true)}>
            <Icon name="trash" />
          </button>
        )}
      </header>
      <Meter
        label="Processors"
        value={load.processors}
        max={spec.cpu.limit ?? processors}
        mark={spec.cpu.reservation}
        text={`${formatPercent(load.processors)} of ${formatPercent(spec.cpu.limit ?? processors)}`}
      />
      {!isRoot && (
        <fieldset disabled={app.store.role.value !== "admin"}>
          <CpuSliders
            cpu={spec.cpu}
            processors={processors}
            onChange={(cpu) => void act(app, `Changing ${spec.name}`, "pool.set", { pool: spec.name, cpu })}
          />
        </fieldset>
      )}
      {machines.length > 0 && (
        <p class="chips">
          {machines.map((name) => (
            <a key={name} href={addressOf({ view: "machine", name, tab: "overview" })}>
              {name}
            </a>
          ))}
        </p>
      )}
      {isDeleting && (
        <Confirm
          title={`Delete ${spec.name}?`}
          text="Only a pool without machines and pools in it can be deleted."
          verb="Delete"
          onClose={() => setDeleting(false)}
          onConfirm={() => void act(app, `Deleting ${spec.name}`, "pool.delete", { pool: spec.name })}
        />
      )}
    </li>
  );
}

function PoolDialog({ onClose }: { readonly onClose: () => void }) {
  const app = useApp();
  const [name, setName] = useState("");
  const [parent, setParent] = useState("root");
  const create = (): void => {
    onClose();
    void act(app, `Creating ${name}`, "pool.create", { name, parent });
  };
  return (
    <FormDialog title="Create a pool" verb="Create" onSubmit={create} onClose={onClose}>
      <NameField value={name} onChange={setName} />
      <SelectField
        label="Within"
        value={parent}
        choices={app.store.pools.value.map(({ spec }) => [spec.name, spec.name])}
        onChange={setParent}
      />
    </FormDialog>
  );
}

interface PlacedPool {
  readonly pool: PoolView;
  readonly depth: number;
}

function poolsInOrder(pools: readonly PoolView[], parent: string | null, depth: number): readonly PlacedPool[] {
  return pools
    .filter(({ spec }) => spec.parent === parent)
    .flatMap((pool) => [{ pool, depth }, ...poolsInOrder(pools, pool.spec.name, depth + 1)]);
}
