/** What a path of the host is for Node: bytes where they are no plain text. */
export type HostPath = string | Buffer;

/** @param path a byte string */
export function hostPath(path: string): HostPath {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: this is ASCII's range.
  return /^[\x00-\x7f]*$/.test(path) ? path : Buffer.from(path, "latin1");
}
