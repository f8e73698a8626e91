/** `--net` as operators write it, and what it asks for. */
import { parseIpv4, parseMac } from "../network/address.js";
import type { LinkRate } from "../network/limited-link.js";
import type { EgressRule } from "../network/nat/egress.js";
import { parseEgressRule } from "../network/nat/egress.js";
import { type Rate, UNLIMITED } from "../network/token-bucket.js";
import { VivariumError } from "../util/errors.js";
import { parseByteLength } from "./byte-length.js";

/** A port of the host that leads to one of the guest. */
export interface PortForward {
  readonly protocol: "tcp" | "udp";
  /** Address of the host, as it was written. */
  readonly host: string;
  readonly port: number;
  /** Null for that of whoever came last. */
  readonly guestAddress: Uint8Array | null;
  readonly guestPort: number;
}

/** A place to send frames to. */
export type SocketPlace =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/** What a network device is plugged into. */
export type LinkRequest =
  /** The NAT. */
  | {
      readonly kind: "user";
      readonly forwards: readonly PortForward[];
      readonly egress: readonly EgressRule[];
    }
  /** Frames over a stream, as QEMU's `-netdev stream`. */
  | { readonly kind: "socket"; readonly role: "connect" | "listen"; readonly place: SocketPlace }
  /** A frame a message over a WebSocket. */
  | { readonly kind: "ws"; readonly url: string }
  /** A macvtap device of Linux. */
  | { readonly kind: "tap"; readonly device: string }
  /** The switch of that name on this host; `uplink` joins a NAT to it. */
  | { readonly kind: "switch"; readonly name: string; readonly uplink: boolean }
  /** Nothing: the cable is out. */
  | { readonly kind: "unplugged" };

/** A network device of a machine. */
export interface NetworkRequest {
  readonly link: LinkRequest;
  readonly mac: Uint8Array | null;
  readonly mtu: number;
  readonly rate: LinkRate | null;
}

const DEFAULT_MTU = 1500;
const MTU_MIN = 1280;
const MTU_MAX = 65_521;
const DEFAULT_BURST_MS = 50;
const BURST_BYTE_LENGTH_MIN = 65_536;

const KINDS = "user, switch, socket, ws, tap, unplugged or none";
const DEFAULT_SWITCH = "default";

/** The options every kind takes, and those of each. */
const COMMON = ["mac", "mtu", "rate", "burst", "guarantee"];
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  user: ["forward", "hostfwd", "allow", "deny"],
  switch: ["name", "uplink"],
  socket: ["connect", "listen"],
  ws: ["url"],
  tap: ["device"],
  unplugged: [],
};

/** `name=value` as it stands among the parts of an option. */
export interface Setting {
  readonly name: string;
  readonly value: string;
}

/**
 * Reads the `--net` options, one for each device; `none` stands for no devices at all.
 *
 * @throws VivariumError `option/invalid` naming what is wrong and what is accepted
 */
export function readNetworks(texts: readonly string[], maximum: number): readonly NetworkRequest[] {
  if (texts.length > 1 && texts.includes("none")) throw badNet("none stands alone: it means no network device");
  if (texts.length > maximum) throw badNet(`${texts.length} network devices; expected at most ${maximum}`);
  return texts.filter((text) => text !== "none").map(readNetwork);
}

/** The egress rules among settings, in their order. @param option what messages begin with */
export function readEgress(option: string, settings: readonly Setting[]): readonly EgressRule[] {
  return settings.flatMap(({ name, value }) =>
    name === "allow" || name === "deny" ? [readRule(option, name, value)] : [],
  );
}

function readRule(option: string, action: "allow" | "deny", text: string): EgressRule {
  try {
    return parseEgressRule(action, text);
  } catch (error) {
    if (!(error instanceof VivariumError)) throw error;
    throw new VivariumError("option/invalid", `${option}${error.message}`);
  }
}

function readNetwork(text: string): NetworkRequest {
  const [kind = "", ...parts] = splitSettings(text);
  const known = OPTIONS[kind];
  if (known === undefined) throw badNet(`${JSON.stringify(kind)} is no kind of network; expected ${KINDS}`);
  const settings = parts.map((part) => readSetting(kind, part, [...known, ...COMMON]));
  return {
    link: readLink(kind, settings),
    mac: readMac(settingOf(settings, "mac")),
    mtu: readMtu(settingOf(settings, "mtu")),
    rate: readLinkRate("--net: ", settings),
  };
}

/** At commas; a URL's query may have some too, so ws takes everything behind `url=`. */
function splitSettings(text: string): string[] {
  const url = /^ws,(?:.*,)?url=/.exec(text);
  if (url === null) return text.split(",");
  const head = text.slice(0, url[0].length - "url=".length).replace(/,$/, "");
  return [...head.split(","), text.slice(head.length + 1)];
}

function readSetting(kind: string, text: string, known: readonly string[]): Setting {
  const equals = text.indexOf("=");
  const name = equals < 0 ? text : text.slice(0, equals);
  if (!known.includes(name)) {
    throw badNet(`${kind} has no option ${JSON.stringify(name)}; expected ${known.join(", ")}`);
  }
  if (equals < 0 || equals === text.length - 1) throw badNet(`${name} needs a value: ${name}=...`);
  return { name, value: text.slice(equals + 1) };
}

function readLink(kind: string, settings: readonly Setting[]): LinkRequest {
  switch (kind) {
    case "user":
      return {
        kind,
        forwards: settings
          .filter(({ name }) => name === "forward" || name === "hostfwd")
          .map(({ name, value }) => readForward(name, value)),
        egress: readEgress("--net: ", settings),
      };
    case "switch":
      return readSwitch(settingOf(settings, "name") ?? DEFAULT_SWITCH, settingOf(settings, "uplink"));
    case "socket":
      return readSocket(settingOf(settings, "connect"), settingOf(settings, "listen"));
    case "ws":
      return { kind, url: readUrl(settingOf(settings, "url")) };
    case "tap": {
      const device = settingOf(settings, "device");
      if (device === undefined) throw badNet("tap needs device=/dev/tapN, the device of a macvtap interface");
      return { kind, device };
    }
    default:
      return { kind: "unplugged" };
  }
}

function readForward(option: string, text: string): PortForward {
  const forward = parseForward(text);
  if (forward !== null) return forward;
  throw badNet(
    `${option}: ${JSON.stringify(text)} is no forward; expected [tcp:|udp:]HOST:PORT:GUESTPORT, such as 127.0.0.1:2222:22`,
  );
}

/**
 * `[tcp:|udp:]HOST:PORT:GUESTPORT`, and QEMU's `tcp:HOST:PORT-GUESTADDRESS:GUESTPORT` with parts left out.
 *
 * @returns null for what is no forward
 */
export function parseForward(text: string): PortForward | null {
  const match = /^(?:(tcp|udp):)?(?:(\[[0-9a-f:]+\]|[^:[\]]*):)?(\d+)(?::|-([\d.]*):)(\d+)$/i.exec(text);
  if (match === null) return null;
  const [, protocol = "tcp", host = "", port, guest = "", guestPort] = match;
  const guestAddress = guest === "" ? null : parseIpv4(guest);
  if (guest !== "" && guestAddress === null) return null;
  const ports = [Number(port), Number(guestPort)] as const;
  if (ports.some((each) => each < 1 || each > 65_535)) return null;
  return {
    protocol: protocol.toLowerCase() as "tcp" | "udp",
    // Nobody else's machine gets in unless the operator says so.
    host: host === "" ? "127.0.0.1" : host.replace(/^\[|\]$/g, ""),
    port: ports[0],
    guestAddress,
    guestPort: ports[1],
  };
}

function readSwitch(name: string, uplink: string | undefined): LinkRequest {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/.test(name)) {
    throw badNet(
      `name: ${JSON.stringify(name)} is no name of a switch; expected letters, digits, ".", "_" and "-", at most 32`,
    );
  }
  if (uplink !== undefined && uplink !== "user") {
    throw badNet(`uplink: ${JSON.stringify(uplink)} cannot be joined to a switch; expected user`);
  }
  return { kind: "switch", name, uplink: uplink !== undefined };
}

function readSocket(connect: string | undefined, listen: string | undefined): LinkRequest {
  const shape = "HOST:PORT or unix:PATH";
  if ((connect === undefined) === (listen === undefined)) {
    throw badNet(`socket needs either connect= or listen=, with ${shape}`);
  }
  const [role, text] = connect === undefined ? (["listen", listen!] as const) : (["connect", connect] as const);
  const place = readPlace(text, role === "listen");
  if (place === null) throw badNet(`${role}: ${JSON.stringify(text)} is no place; expected ${shape}`);
  return { kind: "socket", role, place };
}

/** @returns null for what is no place @param isListening whether a port alone is one, of this host */
export function readPlace(text: string, isListening: boolean): SocketPlace | null {
  if (text.startsWith("unix:")) return text.length > 5 ? { kind: "unix", path: text.slice(5) } : null;
  const match = /^(?:(\[[0-9a-f:]+\]|[^:[\]]*):)?(\d{1,5})$/i.exec(text);
  if (match === null || Number(match[2]) > 65_535) return null;
  const host = (match[1] ?? "").replace(/^\[|\]$/g, "");
  if (host === "" && !isListening) return null;
  return { kind: "tcp", host: host === "" ? "127.0.0.1" : host, port: Number(match[2]) };
}

function readUrl(text: string | undefined): string {
  const url = text ?? "";
  if (!/^wss?:\/\/[^/]+/i.test(url))
    throw badNet(`ws needs url=ws://HOST:PORT/ or wss://..., got ${JSON.stringify(url)}`);
  return url;
}

function readMac(text: string | undefined): Uint8Array | null {
  if (text === undefined) return null;
  const mac = parseMac(text);
  // The lowest bit of the first byte is for groups of stations.
  if (mac === null || (mac[0]! & 1) !== 0) {
    throw badNet(`mac: ${JSON.stringify(text)} is no address of a station; expected one such as 52:54:00:12:34:56`);
  }
  return mac;
}

function readMtu(text: string | undefined): number {
  if (text === undefined) return DEFAULT_MTU;
  const mtu = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (mtu < MTU_MIN || mtu > MTU_MAX) throw badNet(`mtu: ${JSON.stringify(text)}; expected ${MTU_MIN} to ${MTU_MAX}`);
  return mtu;
}

/** A link's `rate`, `burst` and `guarantee`, or null when it has none. @param option what messages begin with */
export function readLinkRate(option: string, settings: readonly Setting[]): LinkRate | null {
  const ceiling = readRate(option, settingOf(settings, "rate"), settingOf(settings, "burst"));
  const guarantee = settingOf(settings, "guarantee");
  if (guarantee === undefined) return ceiling === null ? null : { ceiling };
  const bitsPerSecond = parseBitRate(guarantee);
  if (bitsPerSecond !== null) return { ceiling: ceiling ?? UNLIMITED, guaranteedBytesPerSecond: bitsPerSecond / 8 };
  const message = `guarantee: ${JSON.stringify(guarantee)} is no rate; expected bits per second, such as 2mbit`;
  throw new VivariumError("option/invalid", `${option}${message}`);
}

/** `--net-rate RATE[,burst=BYTES]`: what all links carry together. */
export function readSharedRate(text: string): Rate {
  const [rate, ...rest] = text.split(",");
  const settings = rest.map((part) => settingIn("--net-rate: ", part, ["burst"]));
  return readRate("--net-rate: ", rate, settings.at(-1)?.value)!;
}

/** `name=value`. @throws VivariumError `option/invalid` when the name is none of `known` or there is no value */
export function settingIn(option: string, text: string, known: readonly string[]): Setting {
  const equals = text.indexOf("=");
  const name = equals < 0 ? text : text.slice(0, equals);
  if (equals > 0 && equals < text.length - 1 && known.includes(name)) return { name, value: text.slice(equals + 1) };
  const names = known.map((each) => `${each}=...`).join(", ");
  throw new VivariumError("option/invalid", `${option}${JSON.stringify(text)} is no setting; expected ${names}`);
}

/** A rate in bits per second (kbit, mbit, gbit), a burst in bytes. @param option what messages begin with */
export function readRate(option: string, rate: string | undefined, burst: string | undefined): Rate | null {
  const bad = (message: string) => new VivariumError("option/invalid", `${option}${message}`);
  if (rate === undefined) {
    if (burst !== undefined) throw bad("burst needs rate=");
    return null;
  }
  const bitsPerSecond = parseBitRate(rate);
  if (bitsPerSecond === null) {
    throw bad(`rate: ${JSON.stringify(rate)} is no rate; expected bits per second, such as 500kbit, 10mbit or 1gbit`);
  }
  const bytesPerSecond = bitsPerSecond / 8;
  const usual = Math.max(BURST_BYTE_LENGTH_MIN, (bytesPerSecond * DEFAULT_BURST_MS) / 1000);
  const burstByteLength = burst === undefined ? usual : parseByteLength(burst);
  if (burstByteLength === null || burstByteLength < 1) {
    throw bad(`burst: ${JSON.stringify(burst)} is no amount of bytes; expected one such as 64KiB`);
  }
  return { bytesPerSecond, burstByteLength };
}

const BIT_UNITS: Readonly<Record<string, number>> = { "": 1, k: 1e3, m: 1e6, g: 1e9 };

/** @returns null for what is no rate above zero */
export function parseBitRate(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)([kmg]?)(?:bit)?(?:\/s)?$/i.exec(text);
  if (match === null) return null;
  const rate = Number(match[1]) * BIT_UNITS[match[2]!.toLowerCase()]!;
  return rate >= 8 && Number.isFinite(rate) ? rate : null;
}

function settingOf(settings: readonly Setting[], name: string): string | undefined {
  const values = settings.filter((setting) => setting.name === name);
  if (values.length > 1) throw badNet(`${name} is given ${values.length} times; expected once`);
  return values[0]?.value;
}

function badNet(message: string): VivariumError {
  return new VivariumError("option/invalid", `--net: ${message}`);
}
