import { useState } from "preact/hooks";
import { act, useApp } from "../parts/app-context.js";
import { FormDialog } from "../parts/dialog.js";
import { TextField } from "../parts/fields.js";

/** Asks for a name, and saves the machine under it. */
export function SnapshotDialog({ machine, onClose }: { readonly machine: string; readonly onClose: () => void }) {
  const app = useApp();
  const [snapshot, setSnapshot] = useState("");
  const save = (): void => {
    onClose();
    void act(app, `Saving ${machine} as ${snapshot}`, "snapshot.create", { machine, snapshot });
  };
  return (
    <FormDialog title={`Snapshot of ${machine}`} verb="Save" onSubmit={save} onClose={onClose}>
      <TextField label="Name" value={snapshot} onChange={setSnapshot} required maxLength={200} />
    </FormDialog>
  );
}
