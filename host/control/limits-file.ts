/** What `--limits FILE` holds: limits of networks and disks, which may change while the machine runs. */
import type { LinkRate } from "../network/limited-link.js";
import type { Rate } from "../network/token-bucket.js";
import type { ThrottleLimits } from "../storage/throttle.js";
import { VivariumError } from "../util/errors.js";
import { LIMIT_KEYS, readDriveLimits } from "./drive-options.js";
import { readLinkRate, readRate, settingIn } from "./network-options.js";

/** Null is no limit; what is not in a map keeps what the command line gave it. */
export interface Limits {
  /** What all networks carry together, or undefined. */
  readonly shared: Rate | null | undefined;
  /** By number of the device, from 0. */
  readonly links: ReadonlyMap<number, LinkRate | null>;
  readonly drives: ReadonlyMap<number, ThrottleLimits | null>;
}

const COMMENT = /#.*/;

/**
 * Lines such as these, in any order; `#` begins a comment, and a name without settings is without limits:
 *
 *     net: rate=100mbit
 *     net0: rate=10mbit burst=64KiB guarantee=2mbit
 *     disk1: iops=100 bps=10MiB
 *
 * @param file as messages call it
 * @throws VivariumError `option/invalid` naming the line
 */
export function readLimits(text: string, file: string): Limits {
  let shared: Rate | null | undefined;
  const links = new Map<number, LinkRate | null>();
  const drives = new Map<number, ThrottleLimits | null>();
  for (const [index, line] of text.split("\n").entries()) {
    const words = line.replace(COMMENT, "").trim();
    if (words === "") continue;
    const place = `${file}, line ${index + 1}: `;
    const [, kind, number, rest = ""] = /^(net|disk)(\d*)\s*:(.*)$/.exec(words) ?? [];
    const parts = rest.split(/\s+/).filter((part) => part !== "");
    const settings = (known: readonly string[]) => parts.map((part) => settingIn(place, part, known));
    if (kind === "net" && number === "") {
      const [rate, burst] = ["rate", "burst"].map((name) => settings(["rate", "burst"]).find((s) => s.name === name));
      shared = readRate(place, rate?.value, burst?.value);
    } else if (kind === "net") {
      links.set(Number(number), readLinkRate(place, settings(["rate", "burst", "guarantee"])));
    } else if (kind === "disk" && number !== "") {
      drives.set(Number(number), readDriveLimits(place, settings(LIMIT_KEYS)));
    } else {
      const example = '"net0: rate=10mbit", "net: rate=100mbit" or "disk0: iops=100"';
      throw new VivariumError(
        "option/invalid",
        `${place}${JSON.stringify(words)} is no limit; expected one such as ${example}`,
      );
    }
  }
  return { shared, links, drives };
}
