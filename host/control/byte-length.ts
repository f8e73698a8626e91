export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

/** Binary units only, with QEMU's one-letter forms: `MB` would leave open which million is meant. */
const unitByteLengths: Readonly<Record<string, number>> = { k: KIB, kib: KIB, m: MIB, mib: MIB, g: GIB, gib: GIB };

/**
 * Reads an amount such as `512MiB`, `2G` or `1.5GiB`.
 *
 * @returns bytes, or null when it is no such amount; a number without a unit is none
 */
export function parseByteLength(text: string): number | null {
  const match = /^(\d{1,12}(?:\.\d{1,6})?)([a-z]+)$/i.exec(text);
  const unit = unitByteLengths[match?.[2]?.toLowerCase() ?? ""];
  if (match === null || unit === undefined) return null;
  const byteLength = Number(match[1]) * unit;
  return Number.isSafeInteger(byteLength) ? byteLength : null;
}

/** The shortest exact form: `512MiB`, `3GiB`, `1000 bytes`. */
export function formatByteLength(byteLength: number): string {
  if (byteLength > 0 && byteLength % GIB === 0) return `${byteLength / GIB}GiB`;
  if (byteLength > 0 && byteLength % MIB === 0) return `${byteLength / MIB}MiB`;
  if (byteLength > 0 && byteLength % KIB === 0) return `${byteLength / KIB}KiB`;
  return `${byteLength} bytes`;
}
