/** Chooses the mirror that packages come from. */

import { VivariumError } from "../../../util/errors.js";
import { parseStanzas } from "./deb822.js";

export const MIRROR_VARIABLE = "VIV_DEBIAN_MIRROR";

/** The arguments of apt-get that print the machine's sources, even those whose lists have never been fetched. */
export const INDEX_TARGETS = ["indextargets", "--no-release-info"] as const;

/**
 * The names that Debian's main archive gives its releases. Others with a dash ("trixie-security", "trixie-updates")
 * may come from hosts that have nothing else, and names not listed here may be those of other distributions.
 */
const MAIN_RELEASES = new Set([
  ...["oldoldstable", "oldstable", "stable", "testing", "unstable"],
  ...["buster", "bullseye", "bookworm", "trixie", "forky", "duke", "sid"],
]);

/** What fits into one word of a list of sources; the names of media, "cdrom:[Debian ...]", do not. */
const MIRROR_ADDRESS = /^[a-z][a-z0-9+.-]*:[^\s[\]"]+$/i;

/**
 * The address of a mirror of Debian's main archive.
 *
 * @param override the value of VIV_DEBIAN_MIRROR, if it is set
 * @param indexTargets what apt-get prints for INDEX_TARGETS
 * @throws VivariumError "image/mirror" when neither gives one
 */
export function chooseMirror(override: string | undefined, indexTargets: string): string {
  if (override !== undefined && override !== "") {
    if (MIRROR_ADDRESS.test(override)) return override;
    const message = `${MIRROR_VARIABLE}: expected the address of a Debian mirror, such as https://HOST/debian, got ${JSON.stringify(override)}`;
    throw new VivariumError("image/mirror", message, { mirror: override });
  }
  for (const target of parseStanzas(indexTargets)) {
    const mirror = target.get("repo-uri") ?? "";
    const isMainArchive = MAIN_RELEASES.has(target.get("release") ?? "") && target.get("component") === "main";
    if (isMainArchive && MIRROR_ADDRESS.test(mirror)) return mirror;
  }
  throw new VivariumError(
    "image/mirror",
    `this machine's apt knows no mirror of Debian's main archive: set ${MIRROR_VARIABLE} to the address of one`,
  );
}
