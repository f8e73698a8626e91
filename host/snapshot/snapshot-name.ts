import { VivariumError } from "../util/errors.js";

const NAME_LENGTH_MAX = 64;
/** The name of the snapshot that a machine boots from when it restarts. */
export const POWER_ON = "power-on";

/** @throws VivariumError `snapshot/name` for a text that cannot name a snapshot */
export function checkName(name: string): void {
  if (name.length <= NAME_LENGTH_MAX && /^[\p{L}\p{N}][\p{L}\p{N}._-]*$/u.test(name)) return;
  const accepted = `letters, digits, ".", "_" and "-", at most ${NAME_LENGTH_MAX}, the first a letter or a digit`;
  throw new VivariumError("snapshot/name", `${JSON.stringify(name.slice(0, 80))} is no name; expected ${accepted}`, {
    name: name.slice(0, 80),
  });
}
