import { element } from "./elements.js";

/** What the machine is doing, as the page shows it. */
export type Activity =
  | { readonly kind: "loading"; readonly text: string }
  | { readonly kind: "running" }
  | { readonly kind: "paused" }
  | { readonly kind: "off" }
  /** A recording is run again, which can be cancelled. */
  | { readonly kind: "replaying" }
  /** Something that takes a moment: nothing else can be asked for meanwhile. */
  | { readonly kind: "busy"; readonly text: string }
  | { readonly kind: "failed" }
  | { readonly kind: "unsupported" };

export interface ToolbarActions {
  start(): void;
  pause(): void;
  resume(): void;
  cancel(): void;
  snapshot(): void;
  record(): void;
  restore(): void;
  download(): void;
  upload(file: File): void;
}

type RunAction = "start" | "pause" | "resume" | "cancel";

const RUN_LABELS: Readonly<Record<RunAction, string>> = {
  start: "Start",
  pause: "Pause",
  resume: "Resume",
  cancel: "Cancel",
};

/** The buttons and the line that says how things are. */
export class Toolbar {
  readonly #status = element("status", HTMLElement);
  readonly #statusText = element("status-text", HTMLElement);
  readonly #figures = element("figures", HTMLElement);
  readonly #toolbar = element("toolbar", HTMLElement);
  readonly #run = element("run", HTMLButtonElement);
  readonly #snapshot = element("snapshot", HTMLButtonElement);
  readonly #record = element("record", HTMLButtonElement);
  readonly #restore = element("restore", HTMLButtonElement);
  readonly #download = element("download", HTMLButtonElement);
  readonly #upload = element("upload", HTMLButtonElement);
  #runAction: RunAction = "start";

  /** @param onLeave Escape was pressed: back to the terminal */
  constructor(actions: ToolbarActions, onLeave: () => void) {
    this.#run.addEventListener("click", () => actions[this.#runAction]());
    this.#snapshot.addEventListener("click", () => actions.snapshot());
    this.#record.addEventListener("click", () => actions.record());
    this.#restore.addEventListener("click", () => actions.restore());
    this.#download.addEventListener("click", () => actions.download());
    const file = element("file", HTMLInputElement);
    this.#upload.addEventListener("click", () => file.click());
    file.addEventListener("change", () => {
      const [chosen] = file.files ?? [];
      // The same file can be chosen again.
      file.value = "";
      if (chosen !== undefined) actions.upload(chosen);
    });
    this.#toolbar.addEventListener("keydown", (event) => this.#moveFocus(event, onLeave));
  }

  show(activity: Activity): void {
    this.#status.dataset.kind = activity.kind;
    this.#statusText.textContent = statusText(activity);
    this.#runAction = runActionFor(activity);
    this.#run.dataset.does = this.#runAction;
    this.#run.querySelector("span")!.textContent = RUN_LABELS[this.#runAction];
    const { kind } = activity;
    const hasMachine = kind === "running" || kind === "paused" || kind === "off";
    this.#run.disabled = !hasMachine && kind !== "failed" && kind !== "replaying";
    this.#snapshot.disabled = kind !== "running" && kind !== "paused";
    this.#record.disabled = kind !== "running" && kind !== "paused";
    this.#restore.disabled = !hasMachine;
    this.#download.disabled = kind !== "running" && kind !== "paused";
    this.#upload.disabled = !hasMachine && kind !== "failed";
  }

  /** Whether the machine's history is being recorded. */
  showRecording(on: boolean): void {
    this.#record.setAttribute("aria-pressed", String(on));
  }

  /** A few figures for those who like them. */
  showFigures(text: string): void {
    this.#figures.textContent = text;
  }

  focus(): void {
    this.#buttons()[0]?.focus();
  }

  /** Arrow keys move within the toolbar, as ARIA's practices for toolbars have it. */
  #moveFocus(event: KeyboardEvent, onLeave: () => void): void {
    if (event.key === "Escape") onLeave();
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step === 0) return;
    const buttons = this.#buttons();
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    buttons[(at + step + buttons.length) % buttons.length]?.focus();
    event.preventDefault();
  }

  #buttons(): HTMLButtonElement[] {
    return [...this.#toolbar.querySelectorAll("button")].filter((button) => !button.disabled);
  }
}

function statusText(activity: Activity): string {
  switch (activity.kind) {
    case "loading":
    case "busy":
      return activity.text;
    case "replaying":
      return "Replaying";
    case "running":
      return "Running";
    case "paused":
      return "Paused";
    case "off":
      return "Switched off";
    case "failed":
    case "unsupported":
      return "Not running";
  }
}

function runActionFor({ kind }: Activity): RunAction {
  switch (kind) {
    case "running":
    case "busy":
      return "pause";
    case "paused":
      return "resume";
    case "replaying":
      return "cancel";
    case "loading":
    case "off":
    case "failed":
    case "unsupported":
      return "start";
  }
}
