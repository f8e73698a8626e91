import { useRef, useState } from "preact/hooks";
import type { MachineView } from "../../../host/control/hypervisor/schemas.js";
import { formatBytes, formatDuration, formatPercent } from "../client/format.js";
import { addressOf, go } from "../client/route.js";
import { useApp } from "../parts/app-context.js";
import { Meter, Sparkline, StatusBadge } from "../parts/figures.js";
import { Icon } from "../parts/icon.js";
import { useKeys } from "../parts/keys.js";
import { CreateDialog } from "./create-dialog.js";
import { ImportDialog } from "./import-dialog.js";
import { MachineActions } from "./machine-actions.js";

const LINE_LENGTH = 120;

/** All machines at a glance. A machine's file that is dropped here is imported. */
export function MachinesView() {
  const { store } = useApp();
  const [filter, setFilter] = useState("");
  const [dialog, setDialog] = useState<
    { readonly kind: "create" } | { readonly kind: "import"; readonly file: File | null } | null
  >(null);
  const [isOver, setOver] = useState(false);
  const search = useRef<HTMLInputElement>(null);
  useKeys({
    "/": () => search.current?.focus(),
    c: () => store.mayChange && setDialog({ kind: "create" }),
    i: () => store.mayChange && setDialog({ kind: "import", file: null }),
    j: () => moveFocus(1),
    k: () => moveFocus(-1),
  });
  const machines = store.machines.value.filter((machine) => matches(machine, filter));
  const close = (): void => setDialog(null);
  return (
    // Dropping a file has its button, too.
    <main
      class={isOver ? "drop-target" : undefined}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={(event) => {
        if (event.target === event.currentTarget) setOver(false);
      }}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        const file = event.dataTransfer?.files[0];
        if (file !== undefined && store.mayChange) setDialog({ kind: "import", file });
      }}
    >
      <header class="view-head">
        <h2>Machines</h2>
        <input
          ref={search}
          type="search"
          placeholder="Filter ( / )"
          aria-label="Filter by name, image, pool or status"
          value={filter}
          onInput={({ currentTarget }) => setFilter(currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Escape") event.currentTarget.blur();
          }}
        />
        {store.mayChange && (
          <>
            <button type="button" onClick={() => setDialog({ kind: "import", file: null })}>
              <Icon name="upload" />
              <span>Import</span>
            </button>
            <button type="button" class="primary" onClick={() => setDialog({ kind: "create" })}>
              <Icon name="plus" />
              <span>Create</span>
            </button>
          </>
        )}
      </header>
      <HostSummary />
      {machines.length > 0 ? <MachineList machines={machines} /> : <Nothing isFiltered={filter !== ""} />}
      {dialog?.kind === "create" && <CreateDialog onClose={close} />}
      {dialog?.kind === "import" && <ImportDialog file={dialog.file} onClose={close} />}
    </main>
  );
}

function HostSummary() {
  const { store } = useApp();
  const host = store.host.value;
  if (host === null) return <section class="summary" aria-label="Host" />;
  const used = host.workers.reduce((sum, { processors }) => sum + processors, 0);
  const { total, running, hibernated } = host.machines;
  return (
    <section class="summary" aria-label="Host">
      <Meter
        label="Processors"
        value={used}
        max={host.processors}
        mark={host.reservedProcessors}
        text={`${used.toFixed(1)} of ${host.processors}`}
      />
      <Meter
        label="Memory"
        value={host.memoryUsedByteLength}
        max={host.memoryBudgetByteLength}
        text={`${formatBytes(host.memoryUsedByteLength)} of ${formatBytes(host.memoryBudgetByteLength)}`}
      />
      <p class="quiet">
        {total} machine{total === 1 ? "" : "s"}, {running} running{hibernated > 0 && `, ${hibernated} hibernated`} · up{" "}
        {formatDuration(Date.now() - host.startedAt)} · {host.version}
      </p>
    </section>
  );
}

function MachineList({ machines }: { readonly machines: readonly MachineView[] }) {
  return (
    <table class="machines">
      <thead>
        <tr>
          <th scope="col">Machine</th>
          <th scope="col">Status</th>
          <th scope="col">Processor</th>
          <th scope="col" class="figure">
            Memory
          </th>
          <th scope="col" class="figure wide-only">
            Shares
          </th>
          <th scope="col" class="figure wide-only">
            Up
          </th>
          <th scope="col">
            <span class="unseen">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {machines.map((machine) => (
          <MachineRow key={machine.spec.name} machine={machine} />
        ))}
      </tbody>
    </table>
  );
}

function MachineRow({ machine }: { readonly machine: MachineView }) {
  const { store } = useApp();
  const { spec, status, load, startedAt, failure } = machine;
  // Read so that the line is drawn anew with each reading.
  store.history.version.value;
  const address = addressOf({ view: "machine", name: spec.name, tab: "overview" });
  return (
    // The link in it takes the keys; the rest of the row is a larger target.
    <tr
      onClick={(event) => {
        if ((event.target as Element).closest("a, button, [role=menu], dialog") === null) location.hash = address;
      }}
    >
      <th scope="row">
        <a href={address}>{spec.name}</a>
        <small class="quiet">
          {spec.image}
          {spec.pool !== "root" && ` · ${spec.pool}`}
        </small>
      </th>
      <td>
        <StatusBadge status={status} />
        {failure !== null && <small class="problem">{failure}</small>}
      </td>
      <td class="line">
        <Sparkline values={store.history.of(spec.name)} length={LINE_LENGTH} max={1} />
        <span class="figure">{formatPercent(load.processors)}</span>
      </td>
      <td class="figure">
        {formatBytes(load.touchedByteLength)}
        <small class="quiet">of {spec.memoryMiB} MiB</small>
      </td>
      <td class="figure wide-only">
        {spec.cpu.shares}
        {spec.cpu.limit !== null && <small class="quiet">limit {formatPercent(spec.cpu.limit)}</small>}
      </td>
      <td class="figure wide-only">{startedAt === null ? "" : formatDuration(Date.now() - startedAt)}</td>
      <td>
        <MachineActions machine={machine} isCompact />
      </td>
    </tr>
  );
}

function Nothing({ isFiltered }: { readonly isFiltered: boolean }) {
  const { store } = useApp();
  if (store.host.value === null) return <p class="empty quiet">Loading</p>;
  if (isFiltered) return <p class="empty quiet">No machine matches.</p>;
  return (
    <div class="empty">
      <p>There are no machines yet.</p>
      <p class="quiet">Create one from an image, or drop a machine's file here.</p>
    </div>
  );
}

function matches({ spec, status }: MachineView, filter: string): boolean {
  const text = `${spec.name} ${spec.image} ${spec.pool} ${status} ${spec.description}`.toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** To the next machine in the list, or the one before. */
function moveFocus(step: number): void {
  const links = [...document.querySelectorAll<HTMLElement>(".machines th a")];
  const index = links.indexOf(document.activeElement as HTMLElement);
  if (links.length > 0) links[index === -1 ? 0 : (index + step + links.length) % links.length]!.focus();
}

export function openMachine(name: string): void {
  go({ view: "machine", name, tab: "overview" });
}
