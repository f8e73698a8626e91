/** The networks, folders, sockets and input devices of a machine, as a program asks for them. */
import {
  type LinkRequest,
  type PortForward,
  parseForward,
  readRate as readCeiling,
} from "../control/network-options.js";
import { parseMac } from "../network/address.js";
import type { LinkRate } from "../network/limited-link.js";
import type { Link } from "../network/link.js";
import { type EgressRule, parseEgressRule } from "../network/nat/egress.js";
import type { Switch } from "../network/switch.js";
import { unreachable, VivariumError } from "../util/errors.js";
import { badOption, checkObject } from "./arguments.js";
import type { NetworkSetup } from "./messages.js";

/** What a network device is plugged into. */
export type LinkOptions =
  /** A network of its own with a way out through this host: in a page, HTTP by `fetch`. */
  | {
      readonly kind: "user";
      /** Ports of the host that lead to ports of the guest, such as `127.0.0.1:2222:22`, or `udp:127.0.0.1:5353:53`. */
      readonly forwards?: readonly (PortForward | string)[];
      /** What the guest may reach, such as `allow example.com:443` or `deny 10.0.0.0/8`: the first that fits counts. */
      readonly egress?: readonly (EgressRule | string)[];
    }
  /** A switch that machines of this program have together. */
  | { readonly kind: "switch"; readonly switch: Switch }
  /** The switch of that name on this host, which machines of all programs share; with a NAT of its own or none. */
  | { readonly kind: "host-switch"; readonly name: string; readonly uplink?: boolean }
  /** The network of a relay (`viv relay`), by a WebSocket. */
  | { readonly kind: "relay"; readonly url: string }
  /** Frames over a stream, as QEMU's `-netdev stream`; not in a page. */
  | (LinkRequest & { readonly kind: "socket" })
  /** A macvtap device of Linux. */
  | { readonly kind: "tap"; readonly device: string }
  /** A link of the program's own, which it closes itself. */
  | { readonly kind: "link"; readonly link: Link }
  /** Nothing: the cable is out. */
  | { readonly kind: "unplugged" };

/** A limit by itself, or in bits per second such as `10mbit`. */
export type RateOption = LinkRate | string;

/** A network device of a machine, and what it is plugged into. */
export type NetworkOptions = LinkOptions & {
  /** Such as `52:54:00:12:34:56`, which is what the first device has unless given; on a switch, an address at random. */
  readonly mac?: string | Uint8Array;
  /** Largest payload of an Ethernet frame, 1280 to 65521; 1500 unless given. */
  readonly mtu?: number;
  /** What may pass, each direction by itself. */
  readonly rate?: RateOption;
};

const KINDS: Readonly<Record<LinkOptions["kind"], true>> = {
  user: true,
  switch: true,
  "host-switch": true,
  relay: true,
  socket: true,
  tap: true,
  link: true,
  unplugged: true,
};
const DEFAULT_MTU = 1500;
const MTU_MIN = 1280;
const MTU_MAX = 65_521;
const MAC_BYTE_LENGTH = 6;
/** QEMU's range. */
const MAC_PREFIX = [0x52, 0x54, 0x00];
const GROUP_BIT = 1;

/** @throws VivariumError `option/invalid` */
export function networkSetupOf(options: NetworkOptions, randomBytes: (into: Uint8Array) => void): NetworkSetup {
  const { mac, mtu = DEFAULT_MTU, kind } = checkObject("networks", options);
  checkKind(options);
  if (!Number.isInteger(mtu) || mtu < MTU_MIN || mtu > MTU_MAX) throw bad("mtu", mtu, `${MTU_MIN} to ${MTU_MAX}`);
  if (mac !== undefined) return { mac: readMac(mac), mtu };
  return { mac: kind === "switch" || kind === "host-switch" ? randomMac(randomBytes) : null, mtu };
}

/** @throws VivariumError `option/invalid` */
export function checkKind({ kind }: LinkOptions): void {
  if (!Object.hasOwn(KINDS, kind)) throw badOption("networks", kind, `kind: ${Object.keys(KINDS).join(", ")}`);
}

/** What a platform is asked to open; null for what needs no platform. @throws VivariumError `option/invalid` */
export function linkRequestOf(options: LinkOptions): LinkRequest | null {
  checkKind(options);
  switch (options.kind) {
    case "user":
      return { kind: "user", forwards: (options.forwards ?? []).map(readForward), egress: readEgress(options.egress) };
    case "relay":
      return { kind: "ws", url: options.url };
    case "host-switch":
      return { kind: "switch", name: options.name, uplink: options.uplink ?? false };
    case "socket":
    case "tap":
      return options;
    case "switch":
    case "link":
    case "unplugged":
      return null;
    default:
      return unreachable(options);
  }
}

/** For a machine that goes on beside one with these: what only one can have is left out. */
export function forFork(options: NetworkOptions): NetworkOptions {
  switch (options.kind) {
    case "user":
      return { ...options, forwards: [] };
    case "switch":
    case "host-switch":
    case "relay":
    case "unplugged":
      return options;
    case "socket":
      return options.role === "connect" ? options : { kind: "unplugged" };
    case "tap":
    case "link":
      return { kind: "unplugged" };
    default:
      return unreachable(options);
  }
}

/** @throws VivariumError `option/invalid` */
export function readRateOption(rate: RateOption | null | undefined): LinkRate | null {
  return typeof rate === "string" ? { ceiling: readCeiling("", rate, undefined)! } : (rate ?? null);
}

/** @throws VivariumError `option/invalid` */
export function readForward(forward: PortForward | string): PortForward {
  if (typeof forward !== "string") return forward;
  const parsed = parseForward(forward);
  if (parsed === null) throw bad("forward", JSON.stringify(forward), "[tcp:|udp:]HOST:PORT:GUESTPORT");
  return parsed;
}

/** @throws VivariumError `option/invalid`, `egress/rule` */
export function readEgress(rules: readonly (EgressRule | string)[] = []): readonly EgressRule[] {
  return rules.map((rule) => {
    if (typeof rule !== "string") return rule;
    const [, action, target] = /^(allow|deny) +(.+)$/.exec(rule) ?? [];
    if (target === undefined) throw bad("egress", JSON.stringify(rule), '"allow TARGET" or "deny TARGET"');
    return parseEgressRule(action as EgressRule["action"], target);
  });
}

function readMac(mac: string | Uint8Array): Uint8Array {
  const bytes = typeof mac === "string" ? parseMac(mac) : Uint8Array.from(mac);
  if (bytes?.length !== MAC_BYTE_LENGTH || (bytes[0]! & GROUP_BIT) !== 0) {
    throw bad("mac", JSON.stringify(mac), "an address of a station such as 52:54:00:12:34:56");
  }
  return bytes;
}

function randomMac(randomBytes: (into: Uint8Array) => void): Uint8Array {
  const mac = new Uint8Array(MAC_BYTE_LENGTH);
  randomBytes(mac);
  mac.set(MAC_PREFIX);
  return mac;
}

function bad(option: string, value: unknown, accepted: string): VivariumError {
  return new VivariumError("option/invalid", `${option}: ${String(value)}; expected ${accepted}`, { option });
}
