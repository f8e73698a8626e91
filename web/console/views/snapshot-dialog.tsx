import { useState } from "preact/hooks";
import { act, useApp } from "../parts/app-context.js";
import { Dialog } from "../parts/dialog.js";
import { TextField } from "../parts/fields.js";

/** Asks for a name, and saves the machine under it. */
export function SnapshotDialog({ machine, onClose }: { readonly machine: string; readonly onClose: () => void }) {
  const app = useApp();
  const [snapshot, setSnapshot] = useState("");
  const save = (event: Event): void => {
    event.preventDefault();
    onClose();
    void act(app, `Saving ${machine} as ${snapshot}`, "snapshot.create", { machine, snapshot });
  };
  return (
    <Dialog title={`Snapshot of ${machine}`} onClose={onClose}>
      <form onSubmit={save}>
        <TextField label="Name" value={snapshot} onChange={setSnapshot} required maxLength={200} />
        <footer>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary">
            Save
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
