import type { MachineView } from "../../../host/control/hypervisor/schemas.js";
import { go, MACHINE_TABS, type MachineTab } from "../client/route.js";
import { useApp } from "../parts/app-context.js";
import { StatusBadge } from "../parts/figures.js";
import { Icon } from "../parts/icon.js";
import { useKeys } from "../parts/keys.js";
import { MachineTerminal } from "../parts/machine-terminal.js";
import { EventList } from "./event-list.js";
import { MachineActions } from "./machine-actions.js";
import { MachineOverview } from "./machine-overview.js";
import { SnapshotTree } from "./snapshot-tree.js";

const TAB_TEXTS: Readonly<Record<MachineTab, string>> = {
  overview: "Overview",
  console: "Console",
  snapshots: "Snapshots",
  events: "Events",
};

/** One machine. */
export function MachinePage({ name, tab }: { readonly name: string; readonly tab: MachineTab }) {
  const { store } = useApp();
  const machine = store.machine(name);
  const select = (to: MachineTab): void => go({ view: "machine", name, tab: to });
  useKeys({
    Escape: () => go({ view: "machines" }),
    ...Object.fromEntries(MACHINE_TABS.map((to, index) => [String(index + 1), () => select(to)])),
  });
  return (
    <main class={tab === "console" ? "whole-height" : undefined}>
      <header class="view-head">
        <a class="plain button" href="#/machines" aria-label="All machines">
          <Icon name="back" />
        </a>
        <h2>{name}</h2>
        {machine !== null && (
          <>
            <StatusBadge status={machine.status} />
            <MachineActions machine={machine} />
          </>
        )}
      </header>
      {machine?.failure != null && <p class="banner">{machine.failure}</p>}
      <Tabs tab={tab} onSelect={select} />
      <div role="tabpanel" aria-label={TAB_TEXTS[tab]} class="panel">
        {machine === null ? (
          <p class="empty quiet">{store.host.value === null ? "Loading" : `There is no machine ${name}.`}</p>
        ) : (
          <Panel machine={machine} tab={tab} />
        )}
      </div>
    </main>
  );
}

function Panel({ machine, tab }: { readonly machine: MachineView; readonly tab: MachineTab }) {
  const { store } = useApp();
  const { name } = machine.spec;
  switch (tab) {
    case "overview":
      return <MachineOverview machine={machine} />;
    case "console":
      return <MachineTerminal key={name} machine={name} />;
    case "snapshots":
      return <SnapshotTree machine={machine} />;
    case "events":
      return <EventList events={store.events.value.filter((event) => event.machine === name)} isOfOne />;
  }
}

/** As WAI-ARIA has them: one is in the tab order, arrow keys move among them. */
function Tabs({ tab, onSelect }: { readonly tab: MachineTab; readonly onSelect: (tab: MachineTab) => void }) {
  const onKey = (event: KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const index = (MACHINE_TABS.indexOf(tab) + step + MACHINE_TABS.length) % MACHINE_TABS.length;
    onSelect(MACHINE_TABS[index]!);
    (event.currentTarget as HTMLElement).querySelectorAll("button")[index]!.focus();
  };
  return (
    <div role="tablist" tabIndex={-1} class="tabs" onKeyDown={onKey}>
      {MACHINE_TABS.map((known) => (
        <button
          key={known}
          type="button"
          role="tab"
          aria-selected={known === tab}
          tabIndex={known === tab ? 0 : -1}
          onClick={() => onSelect(known)}
        >
          {TAB_TEXTS[known]}
        </button>
      ))}
    </div>
  );
}
