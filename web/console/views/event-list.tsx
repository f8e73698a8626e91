import type { HypervisorEvent } from "../../../host/control/hypervisor/schemas.js";
import { formatTime } from "../client/format.js";
import { addressOf } from "../client/route.js";

/** What happened, newest first. @param isOfOne they are all of one machine, which need not be named */
export function EventList({
  events,
  isOfOne = false,
}: {
  readonly events: readonly HypervisorEvent[];
  readonly isOfOne?: boolean;
}) {
  if (events.length === 0) return <p class="empty quiet">Nothing has happened yet.</p>;
  return (
    <table class="list">
      <thead>
        <tr>
          <th scope="col">Time</th>
          {!isOfOne && <th scope="col">Machine</th>}
          <th scope="col">Event</th>
        </tr>
      </thead>
      <tbody>
        {events.toReversed().map(({ id, time, machine, message, kind }) => (
          <tr key={id} class={kind === "machine-failure" ? "problem" : undefined}>
            <td class="time">{formatTime(time)}</td>
            {!isOfOne && (
              <td>
                {machine !== null && (
                  <a href={addressOf({ view: "machine", name: machine, tab: "overview" })}>{machine}</a>
                )}
              </td>
            )}
            <td>{message}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
