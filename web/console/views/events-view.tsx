import { useState } from "preact/hooks";
import type { OperationView } from "../../../host/control/hypervisor/schemas.js";
import { formatDuration, formatTime } from "../client/format.js";
import { useApp } from "../parts/app-context.js";
import { EventList } from "./event-list.js";

/** What goes on and what happened, of all machines. */
export function EventsView() {
  const { store } = useApp();
  const [filter, setFilter] = useState("");
  const events = store.events.value.filter(({ machine, message }) => `${machine ?? ""} ${message}`.includes(filter));
  const running = store.operations.value.filter(({ status }) => status === "running");
  return (
    <main>
      <header class="view-head">
        <h2>Events</h2>
        <input
          type="search"
          placeholder="Filter"
          aria-label="Filter by machine or text"
          value={filter}
          onInput={({ currentTarget }) => setFilter(currentTarget.value)}
        />
      </header>
      {running.length > 0 && (
        <section aria-labelledby="operations">
          <h3 id="operations">Going on</h3>
          <ul class="operations">
            {running.map((operation) => (
              <Operation key={operation.id} operation={operation} />
            ))}
          </ul>
        </section>
      )}
      <EventList events={events} />
    </main>
  );
}

function Operation({
  operation: { action, machine, message, progress, startedAt },
}: {
  readonly operation: OperationView;
}) {
  const text = [machine, action, message].filter((part) => part !== null && part !== "").join(" · ");
  return (
    <li>
      <span>{text}</span>
      <progress {...(progress === null ? {} : { value: progress })} aria-label={text} />
      <small class="quiet">
        since {formatTime(startedAt)}, {formatDuration(Date.now() - startedAt)}
      </small>
    </li>
  );
}
