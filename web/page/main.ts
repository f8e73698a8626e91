import "@xterm/xterm/css/xterm.css";
import coreUrl from "../../build/core.wasm?url";
import { element } from "./elements.js";
import { GuestTerminal } from "./guest-terminal.js";
import { chooseFromHistory } from "./history-dialog.js";
import { KeyRow } from "./key-row.js";
import { LoadingPanel } from "./loading-panel.js";
import { Notice } from "./notice.js";
import { Toolbar } from "./toolbar.js";

const w = new Worker(new URL("./spike-worker.ts", import.meta.url), { type: "module" });
const terminal = new GuestTerminal(element("terminal", HTMLElement), {
  onInput: (bytes) => w.postMessage({ input: keys.apply(bytes) }),
  onResize: (columns, rows) => w.postMessage({ columns, rows }),
  onLeave: () => toolbar.focus(),
});
const notice = new Notice(() => terminal.focus());
const keys = new KeyRow(element("keys", HTMLElement), terminal, () =>
  notice.error("This browser does not let the page read the clipboard; paste with Ctrl+Shift+V or a long press."),
);
const loading = new LoadingPanel();
const toolbar = new Toolbar(
  {
    start() {},
    pause() {
      notice.info("Saved a snapshot: 14:03:22");
      toolbar.show({ kind: "paused" });
    },
    resume() {
      notice.error("This browser keeps nothing for this page (a private window?): download the machine to keep it.");
      toolbar.show({ kind: "running" });
    },
    snapshot() {},
    restore() {
      void chooseFromHistory([
        { id: "1", name: "before-upgrade", takenAt: new Date() },
        { id: "2", name: "Snapshot 1", takenAt: new Date(Date.now() - 1e9) },
      ]);
    },
    download() {},
    upload() {},
  },
  () => terminal.focus(),
);
toolbar.show({ kind: "loading", text: "Loading" });
toolbar.showFigures("412 million instructions/s");
w.onmessage = (e) => {
  const d = e.data;
  if (d.p) loading.show("Fetching the image", d.p.doneBytes, d.p.totalBytes);
  if (d.out) {
    loading.hide();
    toolbar.show({ kind: "running" });
    terminal.write(d.out);
    terminal.focus();
  }
};
w.postMessage({
  core: new URL(coreUrl, document.baseURI).href,
  image: new URL("images/debian-mini/", document.baseURI).href,
});
