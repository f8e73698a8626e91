import { useState } from "preact/hooks";
import { act, useApp } from "../parts/app-context.js";
import { FormDialog } from "../parts/dialog.js";
import { NumberField } from "../parts/fields.js";

/** Asks how many machines shall go on from this one. @param snapshot null for the present */
export function ForkDialog({
  machine,
  snapshot,
  onClose,
}: {
  readonly machine: string;
  readonly snapshot: string | null;
  readonly onClose: () => void;
}) {
  const app = useApp();
  const [count, setCount] = useState(1);
  const fork = (): void => {
    onClose();
    const from = snapshot === null ? {} : { snapshot };
    void act(app, `Forking ${machine}`, "machine.fork", { machine, count, ...from }).then((done) => {
      if (done === null) return;
      app.notices.done(`${done.result.map(({ spec }) => spec.name).join(", ")}: going on beside ${machine}`);
    });
  };
  return (
    <FormDialog
      title={snapshot === null ? `Fork ${machine}` : `Fork ${machine} from ${snapshot}`}
      verb="Fork"
      onSubmit={fork}
      onClose={onClose}
    >
      <p class="quiet">
        New machines that go on from {snapshot === null ? "this moment" : "there"}, each with random numbers and
        addresses of its own. They share what neither has changed.
      </p>
      <NumberField label="Machines" value={count} min={1} max={100} step={1} onChange={setCount} />
    </FormDialog>
  );
}
