/** What `crypto.getRandomValues` gives at once. */
const RANDOM_BYTE_LENGTH_MAX = 65536;

/** Fills with bytes nobody can foresee. */
export function fillRandom(into: Uint8Array): void {
  for (let start = 0; start < into.length; start += RANDOM_BYTE_LENGTH_MAX) {
    const part = new Uint8Array(Math.min(RANDOM_BYTE_LENGTH_MAX, into.length - start));
    into.set(crypto.getRandomValues(part), start);
  }
}
