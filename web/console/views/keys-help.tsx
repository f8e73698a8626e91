import { Dialog } from "../parts/dialog.js";

const KEYS: readonly (readonly [string, string])[] = [
  ["g m / g b / g p / g e / g a", "Machines, images, pools, events, access"],
  ["/", "Filter machines"],
  ["j, k", "Next machine, the one before"],
  ["Enter", "Open the machine"],
  ["c", "Create a machine"],
  ["i", "Import a machine"],
  ["1 to 4", "A machine's overview, console, snapshots, events"],
  ["Esc", "Back to all machines"],
  ["Ctrl Shift Enter", "Out of the terminal, to the tabs"],
  ["?", "These keys"],
];

export function KeysHelp({ onClose }: { readonly onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl class="keys stack">
        {KEYS.map(([key, text]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
