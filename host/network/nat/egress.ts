/** What guests may reach: rules of an operator's, which can change at any time. */
import { VivariumError } from "../../util/errors.js";
import { type Cidr, cidrContains, formatAddress, parseCidr } from "../address.js";
import { keyOf } from "../octets.js";

export type EgressProtocol = "tcp" | "udp";

export interface EgressRule {
  readonly action: "allow" | "deny";
  /** Addresses as the guest sees them, or a name: `example.com`, or `*.example.com` for all below it. */
  readonly target: Cidr | { readonly name: string };
  /** Null for both. */
  readonly protocol: EgressProtocol | null;
  /** First and last port; null for all. */
  readonly ports: readonly [number, number] | null;
}

/** Addresses remembered for names; the oldest are forgotten. */
const NAMED_ADDRESSES_MAX = 4096;
const NAMES_PER_ADDRESS_MAX = 16;

/**
 * Decides about destinations. The first rule that fits counts; where none does, everything is allowed unless there is a
 * rule that allows something.
 *
 * A rule with a name fits the addresses that the NAT's name server has given for it. Guests that know an address from
 * elsewhere get around a denied name, so to keep guests in, allow what they need.
 */
export class EgressPolicy {
  #rules: readonly EgressRule[];
  readonly #names = new Map<string, Set<string>>();
  readonly #watchers = new Set<() => void>();

  constructor(rules: readonly EgressRule[] = []) {
    this.#rules = rules;
  }

  get rules(): readonly EgressRule[] {
    return this.#rules;
  }

  /** New rules, from now on and for what is connected already. */
  set rules(rules: readonly EgressRule[]) {
    this.#rules = rules;
    for (const watcher of this.#watchers) watcher();
  }

  /** Calls back when the rules have changed. */
  watch(callback: () => void): void {
    this.#watchers.add(callback);
  }

  allows(protocol: EgressProtocol, address: Uint8Array, port: number): boolean {
    const names = this.#names.get(keyOf(address));
    for (const rule of this.#rules) {
      if (rule.protocol !== null && rule.protocol !== protocol) continue;
      if (rule.ports !== null && (port < rule.ports[0] || port > rule.ports[1])) continue;
      const { target } = rule;
      const fits =
        "name" in target
          ? names !== undefined && [...names].some((name) => nameFits(target.name, name))
          : cidrContains(target, address);
      if (fits) return rule.action === "allow";
    }
    return !this.#isAllowList;
  }

  /** Whether the name server may look a name up. With names on an allow list, only those. */
  allowsName(name: string): boolean {
    let hasAllowedNames = false;
    for (const { target, action } of this.#rules) {
      if (!("name" in target)) continue;
      if (nameFits(target.name, name)) return action === "allow";
      if (action === "allow") hasAllowedNames = true;
    }
    return !hasAllowedNames;
  }

  /** Remembers what the name server has answered. */
  remember(name: string, addresses: readonly Uint8Array[]): void {
    for (const address of addresses) {
      const key = keyOf(address);
      const names = this.#names.get(key) ?? new Set();
      this.#names.delete(key);
      this.#names.set(key, names.add(name));
      if (names.size > NAMES_PER_ADDRESS_MAX) names.delete(names.values().next().value!);
      if (this.#names.size > NAMED_ADDRESSES_MAX) this.#names.delete(this.#names.keys().next().value!);
    }
  }

  get #isAllowList(): boolean {
    return this.#rules.some(({ action }) => action === "allow");
  }
}

function nameFits(pattern: string, name: string): boolean {
  return pattern.startsWith("*.") ? name.endsWith(pattern.slice(1)) : name === pattern;
}

const RULE_SHAPE =
  "[tcp:|udp:]ADDRESS[/BITS], NAME or *.NAME, with :PORT or :FIRST-LAST behind (an IPv6 address in [])";

/**
 * Reads a rule as operators write it: `10.0.0.0/8`, `tcp:192.0.2.1:80-90`, `[2001:db8::]/32`, `*.example.com:443`.
 *
 * @throws VivariumError `egress/rule` that says what a rule looks like
 */
export function parseEgressRule(action: "allow" | "deny", text: string): EgressRule {
  const bad = () =>
    new VivariumError("egress/rule", `${action}: ${JSON.stringify(text)} is not a rule; expected ${RULE_SHAPE}`, {
      text,
    });
  const match =
    /^(?:(tcp|udp):)?(?:\[([0-9a-f:.]+)\](\/\d+)?|([0-9a-f]*:[0-9a-f:.]+(?:\/\d+)?|[^:[\]]+))(?::(\d+)(?:-(\d+))?)?$/i.exec(
      text,
    );
  if (match === null) throw bad();
  const [, protocol, bracketed, bits = "", plain = "", first, last] = match;
  const place = bracketed === undefined ? plain : `${bracketed}${bits}`;
  const ports = readPorts(first, last);
  const target = parseCidr(place) ?? readName(place);
  if (ports === undefined || target === null) throw bad();
  return { action, target, protocol: (protocol?.toLowerCase() as EgressProtocol | undefined) ?? null, ports };
}

/** @returns undefined for ports that there are not */
function readPorts(first: string | undefined, last: string | undefined): readonly [number, number] | null | undefined {
  if (first === undefined) return null;
  const ports = [Number(first), Number(last ?? first)] as const;
  return ports[0] >= 1 && ports[0] <= ports[1] && ports[1] <= 65_535 ? ports : undefined;
}

function readName(text: string): { readonly name: string } | null {
  const isName = /^(\*\.)?([a-z0-9_]([a-z0-9_-]*[a-z0-9])?\.)*[a-z][a-z0-9-]*\.?$/i.test(text);
  return isName ? { name: text.toLowerCase().replace(/\.$/, "") } : null;
}

/** The rule as it would be written. */
export function formatEgressRule({ target, protocol, ports }: EgressRule): string {
  const place =
    "name" in target
      ? target.name
      : target.address.length === 4
        ? `${formatAddress(target.address)}/${target.prefixBitCount}`
        : `[${formatAddress(target.address)}]/${target.prefixBitCount}`;
  const range = ports === null ? "" : ports[0] === ports[1] ? `:${ports[0]}` : `:${ports[0]}-${ports[1]}`;
  return `${protocol === null ? "" : `${protocol}:`}${place}${range}`;
}
