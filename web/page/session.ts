import type { ImageProgress } from "../../host/images/image.js";
import { DEBIAN_MINI } from "../../host/images/image-names.js";
import {
  type BrowserSite,
  deleteKeptFile,
  downloadBooted,
  type FilePlace,
  KeptMachine,
  type SavedSnapshot,
} from "../../host/platform/browser/index.js";
import { VivariumError } from "../../host/util/errors.js";
import type { GuestTerminal } from "../terminal/guest-terminal.js";
import { ConsoleTail } from "./console-tail.js";
import { freshSlot, preferSlot, presentSlot } from "./storage-slot.js";
import type { Activity } from "./toolbar.js";

/** What the session tells the page. */
export interface SessionView {
  activity(activity: Activity): void;
  progress(progress: ImageProgress): void;
  /** The guest starts, and has nothing to show yet. */
  booting(): void;
  /** There is something on the terminal. */
  output(): void;
  /** Whether what happens to the machine is recorded. */
  recording(on: boolean): void;
  info(text: string): void;
  error(text: string): void;
}

const TERMINAL_NAME = "xterm-256color";
const SAVE_INTERVAL_MS = 30_000;
/** A guest that waits at its prompt for half a minute does less. */
const SAVE_INSTRUCTIONS_MIN = 100_000_000n;

/** One machine after another in this tab: at most one at a time, and what is asked for one after the other. */
export class Session {
  readonly #site: BrowserSite;
  readonly #terminal: GuestTerminal;
  readonly #view: SessionView;
  readonly #tail = new ConsoleTail();
  #kept: KeptMachine | null = null;
  #place: FilePlace = { kind: "memory" };
  #savedInstructions = 0n;
  #isBusy = false;
  #isRecording = false;
  /** Gives up the replay under way. */
  #replaying: AbortController | null = null;
  /** Whether the terminal shows what a replay wrote. */
  #showsReplay = false;

  constructor(site: BrowserSite, terminal: GuestTerminal, view: SessionView) {
    this.#site = site;
    this.#terminal = terminal;
    this.#view = view;
    setInterval(() => void this.#autosave(SAVE_INSTRUCTIONS_MIN), SAVE_INTERVAL_MS);
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) void this.#autosave(1n);
    });
  }

  /** Goes on with the machine that this browser keeps, or starts a new one. */
  begin(): Promise<void> {
    return this.#exclusively("Starting", async () => {
      const { name, isEmpty } = await presentSlot();
      this.#place = { kind: "kept", name };
      const booted = isEmpty ? await this.#fetchBooted() : null;
      try {
        await this.#enter(await this.#openFirst(this.#place, booted));
      } catch (error) {
        if (!isOneOf(error, "storage/none")) throw error;
        this.#view.error(`${sentence(error)} This machine is gone when the tab closes, unless you download it.`);
        this.#place = { kind: "memory" };
        await this.#enter(await this.#openFirst(this.#place, booted));
      }
    });
  }

  async start(): Promise<void> {
    if (this.#kept === null) return this.begin();
    await this.#exclusively("Starting", async () => {
      this.#showTail(new Uint8Array());
      await this.#machine.start();
    });
  }

  pause(): Promise<void> {
    return this.#exclusively("Pausing", async () => {
      await this.#machine.pause();
      this.#view.activity({ kind: "busy", text: "Saving" });
      await this.#save();
    });
  }

  resume(): Promise<void> {
    return this.#exclusively("Resuming", () => {
      if (this.#showsReplay) this.#showTail(this.#tail.bytes);
      return this.#machine.resume();
    });
  }

  /** Begins to record what happens to the machine, or ends it. */
  record(): Promise<void> {
    return this.#exclusively("Saving", async () => {
      const on = !this.#isRecording;
      await this.#requireKept().record(on);
      this.#setRecording(on);
      const begun = "Recording. What is typed is in the machine's file, too.";
      this.#view.info(on ? begun : 'Recorded. "Replay the recording" is under Restore.');
    });
  }

  /** Whether there is a recording. */
  hasRecording(): Promise<boolean> {
    return this.#requireKept().hasHistory();
  }

  /** Runs the last recording again on the terminal; the machine waits, and goes on where it is when it is resumed. */
  replay(): Promise<void> {
    return this.#exclusively("Replaying", async () => {
      const replaying = new AbortController();
      this.#replaying = replaying;
      this.#view.activity({ kind: "replaying" });
      if (this.#isRecording) await this.#requireKept().record(false);
      this.#setRecording(false);
      if (this.#machine.status === "running") await this.#machine.pause();
      this.#terminal.reset();
      this.#showsReplay = true;
      const report = await this.#requireKept()
        .replay({ signal: replaying.signal })
        .catch((error: unknown) => {
          if (error instanceof VivariumError && error.code === "replay/cancelled") return null;
          throw error;
        });
      this.#replaying = null;
      if (report === null) {
        this.#view.info("Replay cancelled. The machine goes on where it is when it is resumed.");
        return;
      }
      const { reason, from, instructions } = report;
      const count = (instructions - from).toLocaleString();
      const outcome = reason === "cut" ? "to where the recording was cut off" : "to the same state";
      this.#view.info(`Replayed ${count} instructions, ${outcome}.`);
    });
  }

  cancelReplay(): void {
    this.#replaying?.abort();
  }

  /** Takes a snapshot with the next free name. */
  snapshot(): Promise<void> {
    return this.#exclusively("Saving", async () => {
      const names = new Set((await this.#requireKept().snapshots()).map(({ name }) => name));
      let number = 1;
      while (names.has(`snapshot-${number}`)) number++;
      const { name } = await this.#save(`snapshot-${number}`);
      this.#view.info(`Saved as ${name}.`);
      // Asks some browsers' users, who now have something to lose.
      await navigator.storage?.persist?.();
    });
  }

  /** Newest first, those with a name. */
  async snapshots(): Promise<readonly SavedSnapshot[]> {
    const snapshots = await this.#requireKept().snapshots();
    return snapshots.filter(({ name }) => name !== null).reverse();
  }

  restore(snapshot: SavedSnapshot): Promise<void> {
    return this.#exclusively("Restoring", async () => {
      const console = await this.#requireKept().restore(snapshot);
      this.#showTail(console);
      this.#tellSize();
      await this.#machine.start();
      this.#view.info(`Back at ${snapshot.name}.`);
    });
  }

  delete(snapshot: SavedSnapshot): Promise<void> {
    return this.#exclusively("Deleting", () => this.#requireKept().delete(snapshot));
  }

  /** The machine as it is now, in a file. */
  async download(): Promise<Blob | null> {
    let file: Blob | null = null;
    await this.#exclusively("Saving", async () => {
      if (this.#machine.status !== "off") await this.#save();
      file = await this.#requireKept().contents();
    });
    return file;
  }

  /** Goes on with the machine in a file, which takes the place of this one; when it cannot be, this one stays. */
  upload(contents: File): Promise<void> {
    return this.#exclusively("Opening", async () => {
      const before = { kept: this.#kept, place: this.#place };
      const place: FilePlace = before.place.kind === "kept" ? { kind: "kept", name: freshSlot() } : before.place;
      let opened: KeptMachine;
      try {
        opened = await this.#open(place, contents);
      } catch (error) {
        await discard(place);
        throw error instanceof VivariumError
          ? new VivariumError(error.code, `${contents.name}: ${error.message}`)
          : error;
      }
      await before.kept?.close();
      this.#place = place;
      await this.#enter(opened);
      await discard(before.place);
    });
  }

  restart(): Promise<void> {
    return this.#exclusively("Starting", async () => {
      this.#showTail(new Uint8Array());
      await this.#machine.reset();
    });
  }

  /** Deletes the machine and its snapshots, and starts a new one. */
  async forget(): Promise<void> {
    await this.#exclusively("Deleting", async () => {
      const kept = this.#kept;
      this.#kept = null;
      await kept?.close();
      await discard(this.#place);
    });
    await this.begin();
  }

  type(bytes: Uint8Array): void {
    void this.#input?.write(bytes).catch(() => {});
  }

  resize(columns: number, rows: number): void {
    this.#kept?.machine.console.resize(columns, rows);
  }

  /** Retired since the machine was switched on; null when there is none. */
  async instructions(): Promise<bigint | null> {
    return (await this.#kept?.machine.stats())?.instructions ?? null;
  }

  #input: WritableStreamDefaultWriter<Uint8Array | string> | null = null;

  get #machine(): KeptMachine["machine"] {
    return this.#requireKept().machine;
  }

  #requireKept(): KeptMachine {
    if (this.#kept === null) throw new VivariumError("machine/status", "there is no machine");
    return this.#kept;
  }

  #fetchBooted(): Promise<Blob | null> {
    const directory = new URL(`${DEBIAN_MINI}/`, this.#site.images);
    return downloadBooted(directory, (progress) => this.#view.progress(progress));
  }

  /** What is kept there; else a new machine, at its prompt if a booted one can be had. */
  async #openFirst(place: FilePlace, booted: Blob | null): Promise<KeptMachine> {
    if (booted === null) return this.#open(place);
    try {
      return await this.#open(place, booted);
    } catch (error) {
      // It is another version's, or there is no room for it: the image boots.
      if (!isOneOf(error, "file/not-a-machine", "file/damaged", "file/too-new", "file/full", "bad-state")) throw error;
      await discard(place);
      return this.#open(place);
    }
  }

  #open(place: FilePlace, contents?: Blob): Promise<KeptMachine> {
    const { columns, rows } = this.#terminal;
    return KeptMachine.open(this.#site, {
      place,
      ...(contents === undefined ? {} : { contents }),
      image: DEBIAN_MINI,
      append: `viv.columns=${columns} viv.rows=${rows} viv.term=${TERMINAL_NAME}`,
      onProgress: (progress) => this.#view.progress(progress),
    });
  }

  /** Shows a machine, and lets it go on. */
  async #enter(kept: KeptMachine): Promise<void> {
    this.#kept = kept;
    this.#savedInstructions = 0n;
    this.#setRecording(false);
    const { machine } = kept;
    this.#showTail(kept.console);
    machine.on("status", () => this.#showActivity());
    machine.on("halt", () => this.#view.info("The guest has switched itself off."));
    machine.on("failure", (error) => this.#view.error(sentence(error)));
    machine.on("recordingFailure", (error) => {
      this.#setRecording(false);
      this.#view.error(`Nothing is recorded any more: ${sentence(error)}`);
    });
    this.#input = machine.console.writable.getWriter();
    void this.#read(machine.console.readable);
    this.#tellSize();
    await machine.start();
    if (this.#place.kind === "kept") preferSlot(this.#place.name);
  }

  async #read(output: ReadableStream<Uint8Array>): Promise<void> {
    const reader = output.getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      if (this.#tail.bytes.length === 0) this.#view.output();
      if (!this.#showsReplay) this.#tail.append(next.value);
      await this.#terminal.write(next.value);
    }
  }

  /** Begins the screen with what the guest had written last. */
  #showTail(bytes: Uint8Array): void {
    this.#showsReplay = false;
    this.#tail.assign(bytes);
    this.#terminal.reset();
    void this.#terminal.write(bytes);
    if (bytes.length === 0) this.#view.booting();
    else this.#view.output();
  }

  #setRecording(on: boolean): void {
    this.#isRecording = on;
    this.#view.recording(on);
  }

  #tellSize(): void {
    this.resize(this.#terminal.columns, this.#terminal.rows);
  }

  async #save(name?: string): Promise<SavedSnapshot> {
    const console = this.#tail.bytes;
    const saved = await this.#requireKept().save(name === undefined ? { console } : { name, console });
    this.#savedInstructions = saved.instructions;
    return saved;
  }

  /** Keeps the machine as it is, so that little is lost when the tab is closed or the browser ends. */
  async #autosave(instructionsMin: bigint): Promise<void> {
    if (this.#isBusy || this.#place.kind !== "kept" || this.#kept?.machine.status !== "running") return;
    this.#isBusy = true;
    try {
      const done = (await this.instructions()) ?? 0n;
      const isChanged = done < this.#savedInstructions || done - this.#savedInstructions >= instructionsMin;
      if (isChanged) await this.#save();
    } catch (error) {
      this.#view.error(`The machine could not be kept: ${sentence(error)}`);
    } finally {
      this.#isBusy = false;
    }
  }

  /** Does one thing that was asked for, and says when it cannot be done. */
  async #exclusively(text: string, work: () => Promise<unknown>): Promise<void> {
    while (this.#isBusy) await new Promise((resolve) => setTimeout(resolve, BUSY_POLL_MS));
    this.#isBusy = true;
    this.#view.activity({ kind: "busy", text });
    try {
      await work();
    } catch (error) {
      this.#view.error(sentence(error));
    } finally {
      this.#isBusy = false;
      this.#showActivity();
    }
  }

  #showActivity(): void {
    if (this.#isBusy) return;
    const status = this.#kept?.machine.status;
    this.#view.activity({ kind: status ?? "failed" });
  }
}

const BUSY_POLL_MS = 50;

function isOneOf(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof VivariumError && codes.includes(error.code);
}

async function discard(place: FilePlace): Promise<void> {
  if (place.kind === "kept") await deleteKeptFile(place.name);
}

/** An error as one line for a person. */
function sentence(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const line = message.split("\n", 1)[0]!.trim();
  // A message can begin with a name, which is left as it is.
  const begun = /^[a-z]+ /.test(line) ? line.charAt(0).toUpperCase() + line.slice(1) : line;
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
