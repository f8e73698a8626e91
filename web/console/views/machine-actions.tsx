import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { ActionName } from "../../../host/control/hypervisor/actions.js";
import type { MachineStatus, MachineView } from "../../../host/control/hypervisor/schemas.js";
import { go } from "../client/route.js";
import { type App, act, useApp } from "../parts/app-context.js";
import { Confirm } from "../parts/dialog.js";
import { Icon, type IconName } from "../parts/icon.js";
import { downloadMachine } from "./download.js";
import { ForkDialog } from "./fork-dialog.js";
import { SnapshotDialog } from "./snapshot-dialog.js";

/** What needs no more than a machine's name. */
type PlainAction = Extract<
  ActionName,
  `machine.${"start" | "shutdown" | "stop" | "pause" | "resume" | "reset" | "hibernate"}`
>;

interface Choice {
  readonly action: PlainAction;
  readonly text: string;
  /** While it goes on, before the machine's name. */
  readonly doing: string;
  readonly icon: IconName;
  readonly when: readonly MachineStatus[];
  /** What is lost by it, asked about before. */
  readonly loses?: string;
}

const CHOICES: readonly Choice[] = [
  { action: "machine.start", text: "Start", doing: "Starting", icon: "play", when: ["off", "failed"] },
  { action: "machine.start", text: "Wake", doing: "Waking", icon: "play", when: ["hibernated"] },
  { action: "machine.resume", text: "Resume", doing: "Resuming", icon: "play", when: ["paused"] },
  { action: "machine.pause", text: "Pause", doing: "Pausing", icon: "pause", when: ["running"] },
  { action: "machine.shutdown", text: "Shut down", doing: "Shutting down", icon: "power", when: ["running"] },
  { action: "machine.hibernate", text: "Hibernate", doing: "Hibernating", icon: "moon", when: ["running", "paused"] },
  {
    action: "machine.reset",
    text: "Reset",
    doing: "Resetting",
    icon: "reset",
    when: ["running", "paused"],
    loses: "What the guest has not written to its disks is lost, as by a reset button.",
  },
  {
    action: "machine.stop",
    text: "Switch off",
    doing: "Switching off",
    icon: "stop",
    when: ["starting", "running", "paused", "hibernated"],
    loses: "What the guest has not written to its disks is lost, as by pulling the plug.",
  },
];

type Asking = { readonly kind: "choice"; readonly choice: Choice } | { readonly kind: "destroy" | "fork" | "snapshot" };

/** What can be done to a machine: the likeliest as buttons, the rest in a menu. */
export function MachineActions({
  machine,
  isCompact = false,
}: {
  readonly machine: MachineView;
  readonly isCompact?: boolean;
}) {
  const app = useApp();
  const [asking, setAsking] = useState<Asking | null>(null);
  const { name } = machine.spec;
  if (!app.store.mayChange) return null;
  const choices = CHOICES.filter(({ when }) => when.includes(machine.status));
  const [first, ...others] = choices;
  const choose = (choice: Choice): void => {
    if (choice.loses === undefined) void act(app, `${choice.doing} ${name}`, choice.action, { machine: name });
    else setAsking({ kind: "choice", choice });
  };
  const hasState = machine.status !== "off" && machine.status !== "starting";
  return (
    <div class="actions">
      {first !== undefined && <ChoiceButton choice={first} isCompact={isCompact} onChoose={choose} />}
      <Menu label={`More for ${name}`}>
        {others.map((choice) => (
          <MenuItem key={choice.text} icon={choice.icon} text={choice.text} onChoose={() => choose(choice)} />
        ))}
        {hasState && <MenuItem icon="camera" text="Snapshot" onChoose={() => setAsking({ kind: "snapshot" })} />}
        {hasState && <MenuItem icon="fork" text="Fork" onChoose={() => setAsking({ kind: "fork" })} />}
        <MenuItem icon="download" text="Export" onChoose={() => void downloadMachine(app, name)} />
        <MenuItem icon="trash" text="Destroy" isDanger onChoose={() => setAsking({ kind: "destroy" })} />
      </Menu>
      {asking !== null && <Asked app={app} asking={asking} name={name} onClose={() => setAsking(null)} />}
    </div>
  );
}

interface AskedProps {
  readonly app: App;
  readonly asking: Asking;
  readonly name: string;
  readonly onClose: () => void;
}

function Asked({ app, asking, name, onClose }: AskedProps) {
  switch (asking.kind) {
    case "choice": {
      const { action, text, doing, loses } = asking.choice;
      const confirm = () => void act(app, `${doing} ${name}`, action, { machine: name });
      return <Confirm title={`${text} ${name}?`} text={loses!} verb={text} onConfirm={confirm} onClose={onClose} />;
    }
    case "destroy": {
      const confirm = async (): Promise<void> => {
        const done = await act(app, `Destroying ${name}`, "machine.destroy", { machine: name });
        if (done !== null) go({ view: "machines" });
      };
      return (
        <Confirm
          title={`Destroy ${name}?`}
          text="The machine, its disks and all its snapshots are deleted. This cannot be undone."
          verb="Destroy"
          onConfirm={() => void confirm()}
          onClose={onClose}
        />
      );
    }
    case "fork":
      return <ForkDialog machine={name} snapshot={null} onClose={onClose} />;
    case "snapshot":
      return <SnapshotDialog machine={name} onClose={onClose} />;
  }
}

interface ChoiceButtonProps {
  readonly choice: Choice;
  readonly isCompact: boolean;
  readonly onChoose: (choice: Choice) => void;
}

function ChoiceButton({ choice, isCompact, onChoose }: ChoiceButtonProps) {
  return (
    <button
      type="button"
      class={isCompact ? "plain" : undefined}
      title={choice.text}
      aria-label={isCompact ? choice.text : undefined}
      onClick={() => onChoose(choice)}
    >
      <Icon name={choice.icon} />
      {!isCompact && <span>{choice.text}</span>}
    </button>
  );
}

/** A button that opens a list of things to do: arrow keys move in it, Escape closes it. */
function Menu({ label, children }: { readonly label: string; readonly children: ComponentChildren }) {
  const [isOpen, setOpen] = useState(false);
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!isOpen) return;
    const list = element.current!.querySelector<HTMLElement>("[role=menu]")!;
    // Above its button where there is no room below.
    list.classList.toggle("above", list.getBoundingClientRect().bottom > innerHeight);
    list.querySelector<HTMLElement>("[role=menuitem]")?.focus();
    const onPointer = (event: PointerEvent): void => {
      if (!element.current!.contains(event.target as Node)) setOpen(false);
    };
    addEventListener("pointerdown", onPointer);
    return () => removeEventListener("pointerdown", onPointer);
  }, [isOpen]);
  const onKey = (event: KeyboardEvent): void => {
    if (!isOpen) return;
    const items = [...element.current!.querySelectorAll<HTMLElement>("[role=menuitem]")];
    const index = items.indexOf(document.activeElement as HTMLElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape" || event.key === "Tab") {
      setOpen(false);
      element.current!.querySelector("button")!.focus();
    } else if (step !== undefined) {
      items[(index + step + items.length) % items.length]?.focus();
    } else {
      return;
    }
    if (event.key !== "Tab") event.preventDefault();
    event.stopPropagation();
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the keys are the menu's, wherever in it the focus is
    <div class="menu" ref={element} onKeyDown={onKey}>
      <button
        type="button"
        class="plain"
        aria-label={label}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        onClick={() => setOpen(!isOpen)}
      >
        <Icon name="more" />
      </button>
      {isOpen && (
        // biome-ignore lint/a11y/useKeyWithClickEvents: its items take the keys
        <div role="menu" tabIndex={-1} onClick={() => setOpen(false)}>
          {children}
        </div>
      )}
    </div>
  );
}

interface MenuItemProps {
  readonly icon: IconName;
  readonly text: string;
  readonly isDanger?: boolean;
  readonly onChoose: () => void;
}

function MenuItem({ icon, text, isDanger = false, onChoose }: MenuItemProps) {
  return (
    <button type="button" role="menuitem" tabIndex={-1} class={isDanger ? "danger" : undefined} onClick={onChoose}>
      <Icon name={icon} />
      <span>{text}</span>
    </button>
  );
}
