/** The page: a terminal, buttons, and the machine between them. */
import "@xterm/xterm/css/xterm.css";
import coreUrl from "../../build/core.wasm?url";
import type { BrowserSite } from "../../host/platform/browser/index.js";
import { GuestTerminal } from "../terminal/guest-terminal.js";
import { confirm } from "./confirm.js";
import { element } from "./elements.js";
import { showFigures } from "./figures.js";
import { chooseFromHistory } from "./history-dialog.js";
import { KeyRow } from "./key-row.js";
import { LoadingPanel } from "./loading-panel.js";
import { Notice } from "./notice.js";
import { Session } from "./session.js";
import { missingFeature } from "./support.js";
import { Toolbar } from "./toolbar.js";
import { followVisibleHeight } from "./visible-height.js";

const site: BrowserSite = {
  createWorker: () =>
    new Worker(new URL("../../host/platform/browser/machine-worker.ts", import.meta.url), { type: "module" }),
  core: new URL(coreUrl, document.baseURI).href,
  images: new URL("images/", document.baseURI).href,
  base: document.baseURI,
};

const loading = new LoadingPanel();
const notice = new Notice(() => terminal.focus());
const terminal = new GuestTerminal(element("terminal", HTMLElement), {
  onInput: (bytes) => session.type(keys.apply(bytes)),
  onResize: (columns, rows) => session.resize(columns, rows),
  onLeave: () => toolbar.focus(),
});
const keys = new KeyRow(element("keys", HTMLElement), terminal, () =>
  notice.error("This browser does not let the page read the clipboard. Paste with a long press, or with Ctrl+Shift+V."),
);
const session = new Session(site, terminal, {
  activity: (activity) => {
    toolbar.show(activity);
    if (activity.kind === "failed") loading.hide();
  },
  booting: () => loading.show("Starting", 0, null),
  output: () => loading.hide(),
  recording: (on) => toolbar.showRecording(on),
  progress: ({ doneBytes, totalBytes }) => loading.show("Fetching Debian's Linux", doneBytes, totalBytes),
  info: (text) => notice.info(text),
  error: (text) => notice.error(text),
});
const toolbar = new Toolbar(
  {
    start: () => void session.start().then(() => terminal.focus()),
    pause: () => void session.pause(),
    resume: () => void session.resume().then(() => terminal.focus()),
    cancel: () => session.cancelReplay(),
    snapshot: () => void session.snapshot().then(() => terminal.focus()),
    record: () => void session.record().then(() => terminal.focus()),
    restore: () => void restore(),
    download: () => void download(),
    upload: (file) => void session.upload(file).then(() => terminal.focus()),
  },
  () => terminal.focus(),
);

async function restore(): Promise<void> {
  const snapshots = await session.snapshots();
  const choice = await chooseFromHistory(
    snapshots.map(({ id, name, takenMs }) => ({ id, name: name ?? "", takenAt: new Date(takenMs) })),
    await session.hasRecording(),
  );
  const chosen = (id: number) => snapshots.find((snapshot) => snapshot.id === id)!;
  switch (choice?.kind) {
    case "restore":
      await session.restore(chosen(choice.id));
      break;
    case "delete":
      await session.delete(chosen(choice.id));
      return restore();
    case "replay":
      await session.replay();
      break;
    case "restart":
      await session.restart();
      break;
    case "forget":
      if (await confirm("Delete this machine with all its snapshots, and start a new one?", "Delete")) {
        await session.forget();
      }
      break;
    case undefined:
      break;
  }
  terminal.focus();
}

const DOWNLOAD_MS_MAX = 60_000;

async function download(): Promise<void> {
  const file = await session.download();
  if (file === null) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = `vivarium-${new Date().toISOString().slice(0, 10)}.viv`;
  link.click();
  // Browsers read it after the click, some of them long after.
  setTimeout(() => URL.revokeObjectURL(link.href), DOWNLOAD_MS_MAX);
}

followVisibleHeight();
toolbar.show({ kind: "loading", text: "Starting" });
const missing = missingFeature();
if (missing === null) {
  showFigures(session, toolbar);
  void session.begin().then(() => terminal.focus());
} else {
  loading.hide();
  toolbar.show({ kind: "unsupported" });
  notice.error(`This browser is too old for Vivarium: it has no ${missing}.`);
}
