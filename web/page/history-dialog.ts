import { element } from "./elements.js";

/** A point that the machine can go back to. */
export interface HistoryPoint {
  readonly id: number;
  readonly name: string;
  readonly takenAt: Date;
}

/** What was chosen. */
export type HistoryChoice =
  | { readonly kind: "restore"; readonly id: number }
  | { readonly kind: "delete"; readonly id: number }
  | { readonly kind: "replay" }
  | { readonly kind: "restart" }
  | { readonly kind: "forget" };

/**
 * Shows the points, newest first. Resolves with null when nothing was chosen.
 *
 * @param hasRecording whether there is something to replay
 */
export function chooseFromHistory(
  points: readonly HistoryPoint[],
  hasRecording: boolean,
): Promise<HistoryChoice | null> {
  const dialog = element("history", HTMLDialogElement);
  let choice: HistoryChoice | null = null;
  const choose = (chosen: HistoryChoice) => () => {
    choice = chosen;
    dialog.close();
  };
  element("history-empty", HTMLElement).hidden = points.length > 0;
  element("history-list", HTMLElement).replaceChildren(
    ...points.map((point) =>
      row(point, choose({ kind: "restore", id: point.id }), choose({ kind: "delete", id: point.id })),
    ),
  );
  const replay = element("replay", HTMLButtonElement);
  replay.hidden = !hasRecording;
  replay.onclick = choose({ kind: "replay" });
  element("restart", HTMLButtonElement).onclick = choose({ kind: "restart" });
  element("forget", HTMLButtonElement).onclick = choose({ kind: "forget" });
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(choice), { once: true });
  });
}

function row(point: HistoryPoint, restore: () => void, remove: () => void): HTMLLIElement {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "point";
  const name = document.createElement("span");
  name.textContent = point.name;
  const when = document.createElement("time");
  when.className = "when";
  when.dateTime = point.takenAt.toISOString();
  when.textContent = formatMoment(point.takenAt);
  button.append(name, when);
  button.addEventListener("click", restore);
  const bin = document.createElement("button");
  bin.type = "button";
  bin.setAttribute("aria-label", `Delete ${point.name}`);
  bin.title = "Delete";
  bin.innerHTML = BIN;
  bin.addEventListener("click", remove);
  item.append(button, bin);
  return item;
}

const BIN =
  '<svg aria-hidden="true" viewBox="0 0 20 20"><path d="M4 5.5h12M8 5.5v-2h4v2M5.5 5.5l.8 11h7.4l.8-11M8.5 8.5v5M11.5 8.5v5"/></svg>';

/** Today's moments by their time, others by their date too. */
export function formatMoment(moment: Date): string {
  const isToday = moment.toDateString() === new Date().toDateString();
  const time = moment.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return isToday ? time : `${moment.toLocaleDateString(undefined, { day: "numeric", month: "short" })}, ${time}`;
}
