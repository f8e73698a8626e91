import type { ImageProgress, ImageStage } from "../images/image.js";
import { MIB } from "./byte-length.js";

/** Where the lines about an image in the making go. */
export interface ProgressDisplay {
  /** Shows `line` in place of the one shown before. */
  replace(line: string): void;
  /** Shows `line` for good. */
  append(line: string): void;
}

const stageTexts: Readonly<Record<ImageStage, string>> = {
  waiting: "waiting for another viv that builds it",
  lists: "fetching package lists",
  packages: "fetching packages",
  unpack: "unpacking packages",
  collect: "collecting packages",
  install: "installing packages in a guest",
  assemble: "building kernel and initrd",
  download: "fetching the image",
};

/** What is being done, in a few words. */
export function stageText(stage: ImageStage): string {
  return stageTexts[stage];
}

const BAR_LENGTH = 24;
/** A screen reader or a slow line should not be busy with the bar alone. */
const REPLACE_INTERVAL_MS = 100;
/** Where lines stay, a stage says this many times how far it is; the one that takes minutes says it more often. */
const SPARSE_STEPS = 4;
const INSTALL_STEPS = 12;

/** Tells the operator how far the making of an image is: a bar that moves, or few lines where lines stay. */
export class ImageProgressReport {
  readonly #name: string;
  readonly #display: ProgressDisplay;
  readonly #moving: boolean;
  readonly #nowMs: () => number;
  #stage: ImageStage | null = null;
  #step = 0;
  #shownMs = Number.NEGATIVE_INFINITY;

  /** @param moving whether the display can replace a line */
  constructor(name: string, display: ProgressDisplay, moving: boolean, nowMs: () => number) {
    this.#name = name;
    this.#display = display;
    this.#moving = moving;
    this.#nowMs = nowMs;
  }

  update(progress: ImageProgress): void {
    const entered = progress.stage !== this.#stage;
    this.#stage = progress.stage;
    if (this.#moving) this.#move(progress, entered);
    else this.#step = this.#note(progress, entered);
  }

  /** Says once that the image is ready, if anything was said before. */
  finish(): void {
    if (this.#stage === null) return;
    if (this.#moving) this.#display.replace("");
    else this.#display.append(`viv: ${this.#name}: ready`);
  }

  /** Clears the way for an error message. */
  fail(): void {
    if (this.#stage !== null && this.#moving) this.#display.replace("");
  }

  #move(progress: ImageProgress, entered: boolean): void {
    const now = this.#nowMs();
    if (!entered && now - this.#shownMs < REPLACE_INTERVAL_MS) return;
    this.#shownMs = now;
    const { doneBytes, totalBytes } = progress;
    const bar = totalBytes === null || totalBytes === 0 ? "" : ` ${formatBar(doneBytes / totalBytes)}`;
    this.#display.replace(
      `viv: ${this.#name}:${bar} ${stageTexts[progress.stage]}${formatAmount(doneBytes, totalBytes)}`,
    );
  }

  /** @returns the step that has been told */
  #note(progress: ImageProgress, entered: boolean): number {
    const { stage, doneBytes, totalBytes } = progress;
    const steps = stage === "install" ? INSTALL_STEPS : SPARSE_STEPS;
    const step = totalBytes === null || totalBytes === 0 ? 0 : Math.floor((doneBytes / totalBytes) * steps);
    if (!entered && step <= this.#step) return this.#step;
    this.#display.append(`viv: ${this.#name}: ${stageTexts[progress.stage]}${formatAmount(doneBytes, totalBytes)}`);
    return step;
  }
}

function formatBar(fraction: number): string {
  const full = Math.round(Math.min(Math.max(fraction, 0), 1) * BAR_LENGTH);
  return `[${"#".repeat(full)}${".".repeat(BAR_LENGTH - full)}]`;
}

function formatAmount(doneBytes: number, totalBytes: number | null): string {
  if (totalBytes === null) return doneBytes === 0 ? "" : `, ${mebibytes(doneBytes)} MiB`;
  return `, ${mebibytes(doneBytes)} of ${mebibytes(totalBytes)} MiB`;
}

function mebibytes(byteLength: number): string {
  return (byteLength / MIB).toFixed(1);
}
