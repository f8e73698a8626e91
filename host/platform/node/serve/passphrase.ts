import type { FastifyRequest } from "fastify";
import { VivariumError } from "../../../util/errors.js";

const LENGTH_MAX = 1024;

/**
 * What a machine is encrypted with: a header, which no log has, in Base64, as headers are not Unicode.
 *
 * @throws VivariumError `request/invalid`
 */
export function passphraseOf({ headers }: FastifyRequest): string | null {
  const text = headers["vivarium-passphrase"];
  if (text === undefined) return null;
  const passphrase = Buffer.from(String(text), "base64").toString("utf8");
  if (passphrase !== "" && passphrase.length <= LENGTH_MAX && !passphrase.includes("\ufffd")) return passphrase;
  throw new VivariumError("request/invalid", "Vivarium-Passphrase: is no Base64 of a passphrase in UTF-8");
}
