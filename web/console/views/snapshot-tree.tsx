import { useEffect, useState } from "preact/hooks";
import type { MachineView, SnapshotView } from "../../../host/control/hypervisor/schemas.js";
import { formatBytes, formatTime } from "../client/format.js";
import { act, useApp } from "../parts/app-context.js";
import { Confirm } from "../parts/dialog.js";
import { Icon } from "../parts/icon.js";
import { ForkDialog } from "./fork-dialog.js";
import { branchesOf, type TreeRow } from "./snapshot-branches.js";
import { SnapshotDialog } from "./snapshot-dialog.js";

type Asking =
  | { readonly kind: "save" }
  | { readonly kind: "restore" | "delete" | "fork"; readonly snapshot: SnapshotView };

/** A machine's history: points to go back to, and what came of each. */
export function SnapshotTree({ machine }: { readonly machine: MachineView }) {
  const app = useApp();
  const { name } = machine.spec;
  const snapshots = useSnapshots(name);
  const [asking, setAsking] = useState<Asking | null>(null);
  const close = (): void => setAsking(null);
  const rows = branchesOf(snapshots ?? []);
  return (
    <section aria-label="Snapshots">
      <p>
        <button
          type="button"
          onClick={() => setAsking({ kind: "save" })}
          disabled={machine.status === "off" || !app.store.mayChange}
        >
          <Icon name="camera" />
          <span>Snapshot now</span>
        </button>
      </p>
      {snapshots !== null && rows.length === 0 && <p class="empty quiet">There are no snapshots yet.</p>}
      <ol class="tree">
        {rows.map((row) => (
          <SnapshotRow
            key={row.snapshot.name}
            row={row}
            onAsk={(kind) => setAsking({ kind, snapshot: row.snapshot })}
          />
        ))}
      </ol>
      {asking?.kind === "save" && <SnapshotDialog machine={name} onClose={close} />}
      {asking?.kind === "fork" && <ForkDialog machine={name} snapshot={asking.snapshot.name} onClose={close} />}
      {asking?.kind === "restore" && (
        <Confirm
          title={`Go back to ${asking.snapshot.name}?`}
          text={`${name} goes on from ${formatTime(asking.snapshot.createdAt)}. What it has done since is lost, but for its snapshots.`}
          verb="Restore"
          onClose={close}
          onConfirm={() => {
            const input = { machine: name, snapshot: asking.snapshot.name };
            void act(app, `Restoring ${name}`, "snapshot.restore", input);
          }}
        />
      )}
      {asking?.kind === "delete" && (
        <Confirm
          title={`Delete ${asking.snapshot.name}?`}
          text={`${formatBytes(asking.snapshot.ownByteLength)} that only this snapshot uses become free. Snapshots after it stay.`}
          verb="Delete"
          onClose={close}
          onConfirm={() => {
            const input = { machine: name, snapshot: asking.snapshot.name };
            void act(app, `Deleting ${asking.snapshot.name}`, "snapshot.delete", input);
          }}
        />
      )}
    </section>
  );
}

interface SnapshotRowProps {
  readonly row: TreeRow;
  readonly onAsk: (kind: "restore" | "delete" | "fork") => void;
}

function SnapshotRow({ row: { snapshot, depth }, onAsk }: SnapshotRowProps) {
  const { store } = useApp();
  const { name, createdAt, ownByteLength, automatic, present } = snapshot;
  return (
    <li
      style={{ "--depth": depth }}
      class={present ? "present" : undefined}
      aria-current={present ? "true" : undefined}
    >
      <span class="dot" aria-hidden="true" />
      <div class="tree-text">
        <strong>{name}</strong>
        <small class="quiet">
          {formatTime(createdAt)} · {formatBytes(ownByteLength)}
          {automatic && " · automatic"}
          {present && " · the machine goes on from here"}
        </small>
      </div>
      <div class="actions" hidden={!store.mayChange}>
        <button type="button" onClick={() => onAsk("restore")}>
          <Icon name="restore" />
          <span>Restore</span>
        </button>
        <button type="button" class="plain" title="Fork" aria-label={`Fork ${name}`} onClick={() => onAsk("fork")}>
          <Icon name="fork" />
        </button>
        <button
          type="button"
          class="plain"
          title="Delete"
          aria-label={`Delete ${name}`}
          onClick={() => onAsk("delete")}
        >
          <Icon name="trash" />
        </button>
      </div>
    </li>
  );
}

/** Null before they are known. They are asked for anew when something happened to them. */
function useSnapshots(machine: string): readonly SnapshotView[] | null {
  const { store } = useApp();
  const [snapshots, setSnapshots] = useState<readonly SnapshotView[] | null>(null);
  const lastChange = store.events.value.findLast((event) => event.machine === machine)?.id;
  // The last change is why to ask again.
  useEffect(() => {
    let isGone = false;
    store.connection.perform("snapshot.list", { machine }).then(
      (list) => {
        if (!isGone) setSnapshots(list);
      },
      () => {},
    );
    return () => {
      isGone = true;
    };
  }, [machine, store, lastChange]);
  return snapshots;
}
