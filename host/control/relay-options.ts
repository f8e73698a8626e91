import type { LinkRate } from "../network/limited-link.js";
import { VivariumError } from "../util/errors.js";
import type { RelayAction } from "./actions.js";
import { readEgress, readPlace, readRate } from "./network-options.js";

/** What `viv relay` was given, each option as it was written. */
export interface RelayOptions {
  readonly listen?: string;
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  readonly rate?: string;
  readonly origin?: readonly string[];
}

export const DEFAULT_RELAY_PLACE = "127.0.0.1:8086";

/**
 * Turns the options of `viv relay` into an action.
 *
 * @throws VivariumError `option/invalid` naming the option, what it was given and what it accepts
 */
export function readRelayOptions(options: RelayOptions): RelayAction {
  const text = options.listen ?? DEFAULT_RELAY_PLACE;
  const place = readPlace(text, true);
  if (place?.kind !== "tcp") {
    throw badOption(`--listen: ${JSON.stringify(text)} is no place to listen on; expected [HOST:]PORT`);
  }
  return {
    action: "relay",
    host: place.host,
    port: place.port,
    // What is denied stays so, whatever else is allowed.
    egress: [
      ...readEgress(
        "--",
        (options.deny ?? []).map((value) => ({ name: "deny", value })),
      ),
      ...readEgress(
        "--",
        (options.allow ?? []).map((value) => ({ name: "allow", value })),
      ),
    ],
    rate: readRelayRate(options.rate),
    origins: (options.origin ?? []).map(readOrigin),
  };
}

function readOrigin(text: string): string {
  if (text === "*" || /^[a-z][a-z0-9+.-]*:\/\/[^/]+$/i.test(text)) return text;
  throw badOption(`--origin: ${JSON.stringify(text)} is no origin; expected one such as https://example.org, or *`);
}

function badOption(message: string): VivariumError {
  return new VivariumError("option/invalid", message);
}

function readRelayRate(text: string | undefined): LinkRate | null {
  const ceiling = readRate("--", text, undefined);
  return ceiling === null ? null : { ceiling };
}
