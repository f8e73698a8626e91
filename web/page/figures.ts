import type { Session } from "./session.js";
import type { Toolbar } from "./toolbar.js";

const INTERVAL_MS = 1000;
const MILLION = 1e6;

/** Keeps the bar's figures up to date: how fast the guest runs. */
export function showFigures(session: Session, toolbar: Toolbar): void {
  let last: { readonly instructions: bigint; readonly atMs: number } | null = null;
  const update = async (): Promise<void> => {
    if (document.hidden) return;
    const instructions = await session.instructions().catch(() => null);
    const atMs = performance.now();
    if (instructions === null || last === null || instructions < last.instructions) toolbar.showFigures("");
    else toolbar.showFigures(format(Number(instructions - last.instructions) / ((atMs - last.atMs) / 1000)));
    last = instructions === null ? null : { instructions, atMs };
  };
  setInterval(() => void update(), INTERVAL_MS);
}

function format(perSecond: number): string {
  if (perSecond < MILLION) return "";
  return `${Math.round(perSecond / MILLION)} million instructions/s`;
}
