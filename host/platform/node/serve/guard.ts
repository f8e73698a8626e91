import { isIP } from "node:net";
import type { FastifyRequest } from "fastify";
import { BEARER_PROTOCOL } from "../../../control/hypervisor/socket-messages.js";
import { VivariumError } from "../../../util/errors.js";
import type { Principal } from "./principal.js";
import type { Tokens } from "./tokens.js";

/** Refused tokens of one address in a minute, after which it is not even told that they were wrong. */
export const FAILURES_MAX = 20;
const FAILURES_WINDOW_MS = 60_000;
const ADDRESSES_MAX = 10_000;

/**
 * Refuses what a browser sends for somebody else's page: a page of another origin, and one whose name was made to lead
 * here (DNS rebinding). An address cannot be made to lead elsewhere, a name can; so names have to be known.
 *
 * @param names besides localhost, in lower case
 * @throws VivariumError `permission/host`, `permission/origin`, `request/invalid`
 */
export function checkSource({ headers, protocol, raw }: FastifyRequest, names: ReadonlySet<string>): void {
  const { host, origin } = headers;
  const hostCount = raw.rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === "host").length;
  // RFC 9112, 3.2: of two hosts none counts; and 3.2.2: a target that names a host counts instead of the header.
  if (hostCount > 1 || !raw.url!.startsWith("/")) {
    throw new VivariumError(
      "request/invalid",
      "the request names its host twice; expected a path, and one Host header",
    );
  }
  const site = headers["sec-fetch-site"];
  const name = hostName(host);
  if (name === null || !(isIP(name) !== 0 || name === "localhost" || names.has(name))) {
    const shown = JSON.stringify((host ?? "").slice(0, 100));
    throw new VivariumError("permission/host", `Host: ${shown} is not this daemon; viv serve --name makes it so`);
  }
  if (origin !== undefined && origin !== `${protocol}://${host}`) {
    throw new VivariumError("permission/origin", "pages of other origins may not ask this daemon");
  }
  if (site !== undefined && site !== "same-origin" && site !== "none") {
    throw new VivariumError("permission/origin", `Sec-Fetch-Site: pages of other origins may not ask this daemon`);
  }
}

/** Without port and brackets; null for what is no host. */
function hostName(host: string | undefined): string | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(host ?? "");
  return match === null ? null : (match[1] ?? match[2]!).toLowerCase().replace(/\.$/, "");
}

/** The token that a request carries; null without one. Never from the URL, which ends up in logs and histories. */
export function secretOf({ headers }: FastifyRequest): string | null {
  const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? "")?.[1];
  if (bearer !== undefined) return bearer;
  const protocols = headers["sec-websocket-protocol"]?.split(",").map((text) => text.trim()) ?? [];
  return protocols.find((text) => text.startsWith(BEARER_PROTOCOL))?.slice(BEARER_PROTOCOL.length) ?? null;
}

/** Finds out who asks, and slows down whoever guesses. */
export class Authentication {
  readonly #tokens: Tokens;
  readonly #now: () => number;
  /** Of the current window, by address. */
  readonly #failures = new Map<string, number>();
  #windowEndsAt = 0;

  constructor(tokens: Tokens, now: () => number) {
    this.#tokens = tokens;
    this.#now = now;
  }

  /**
   * @param onRefused called for each refusal until an address has had FAILURES_MAX of them
   * @throws VivariumError `authentication/required`, `authentication/too-many`
   */
  identify(request: FastifyRequest, onRefused: (reason: string) => void): Principal {
    const secret = secretOf(request);
    const principal = secret === null ? null : this.#tokens.verify(secret);
    // Whoever has a good token is not held up by those who try from the same address.
    if (principal !== null) return principal;
    const count = this.#countFailure(request.ip);
    if (count > FAILURES_MAX) {
      const waitMs = Math.max(this.#windowEndsAt - this.#now(), 0);
      const message = `too many requests without a good token; expected none for ${Math.ceil(waitMs / 1000)} s`;
      throw new VivariumError("authentication/too-many", message);
    }
    const reason = secret === null ? "there is no token" : "the token is unknown, revoked or expired";
    onRefused(count === FAILURES_MAX ? `${reason}; more from there are not noted for a minute` : reason);
    throw new VivariumError("authentication/required", `${reason}; expected "Authorization: Bearer TOKEN"`);
  }

  #countFailure(address: string): number {
    const now = this.#now();
    if (now >= this.#windowEndsAt) {
      this.#failures.clear();
      this.#windowEndsAt = now + FAILURES_WINDOW_MS;
    }
    // With more addresses than can be told apart, those that are new share one count.
    const key = this.#failures.has(address) || this.#failures.size < ADDRESSES_MAX ? address : "others";
    const count = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, count);
    return count;
  }
}
