import { signal } from "@preact/signals";
import { Icon } from "./icon.js";

interface Notice {
  readonly id: number;
  readonly kind: "busy" | "done" | "failed";
  readonly text: string;
  /** 0 to 1; null while nobody can say. */
  readonly progress: number | null;
}

export interface BusyNotice {
  update(text: string, progress: number | null): void;
  close(): void;
  fail(text: string): void;
}

/** What is done in a moment needs no notice. */
const BUSY_AFTER_MS = 400;
const DONE_MS = 4000;

/** What the page says in its corner. Failures stay until somebody has seen them. */
export class Notices {
  readonly list = signal<readonly Notice[]>([]);
  #lastId = 0;

  /** Something goes on. */
  busy(text: string): BusyNotice {
    const id = ++this.#lastId;
    let shown: Notice = { id, kind: "busy", text, progress: null };
    const timer = setTimeout(() => this.#show(shown), BUSY_AFTER_MS);
    return {
      update: (newText, progress) => {
        shown = { ...shown, text: newText, progress };
        if (this.list.value.some((notice) => notice.id === id)) this.#show(shown);
      },
      close: () => {
        clearTimeout(timer);
        this.dismiss(id);
      },
      fail: (why) => {
        clearTimeout(timer);
        this.#show({ id, kind: "failed", text: why, progress: null });
      },
    };
  }

  done(text: string): void {
    const id = ++this.#lastId;
    this.#show({ id, kind: "done", text, progress: null });
    setTimeout(() => this.dismiss(id), DONE_MS);
  }

  failed(text: string): void {
    this.#show({ id: ++this.#lastId, kind: "failed", text, progress: null });
  }

  dismiss(id: number): void {
    this.list.value = this.list.value.filter((notice) => notice.id !== id);
  }

  #show(notice: Notice): void {
    const isKnown = this.list.value.some(({ id }) => id === notice.id);
    this.list.value = isKnown
      ? this.list.value.map((known) => (known.id === notice.id ? notice : known))
      : [...this.list.value, notice];
  }
}

export function NoticeList({ notices }: { readonly notices: Notices }) {
  return (
    <div class="notices" role="status" aria-live="polite">
      {notices.list.value.map(({ id, kind, text, progress }) => (
        <div key={id} class={`notice ${kind}`} role={kind === "failed" ? "alert" : undefined}>
          <p>{text}</p>
          {kind === "busy" && <progress {...(progress === null ? {} : { value: progress })} aria-label={text} />}
          {kind !== "busy" && (
            <button type="button" class="plain" aria-label="Dismiss" onClick={() => notices.dismiss(id)}>
              <Icon name="close" />
            </button>
          )}
        </div>
      ))}
    </div>
  );
}
