import { createHash, randomFillSync, webcrypto } from "node:crypto";
import { promisify } from "node:util";
import { deflateRaw, inflateRawSync } from "node:zlib";
import { aesGcm } from "../../../snapshot/aes-gcm.js";
import type { StreamServices } from "../../../snapshot/stream-format.js";

const deflateInThreadPool = promisify<Uint8Array, typeof COMPRESSION, Buffer>(deflateRaw);

/**
 * The fastest level: a machine's memory gets little smaller with more. A window of a chunk's 16 KiB, which costs less to
 * make for each chunk than the usual one: a fifth of the processor's time of a save.
 */
const COMPRESSION = { level: 1, windowBits: 14 } as const;

/** Digests and compression from Node. Compression is done by other threads. */
export const nodeFileServices: StreamServices = {
  digest: (bytes) => createHash("sha256").update(bytes).digest(),
  deflate: (bytes) => deflateInThreadPool(bytes, COMPRESSION),
  inflate(bytes, byteLength) {
    const inflated = inflateRawSync(bytes, { maxOutputLength: Math.max(byteLength, 1) });
    if (inflated.length !== byteLength) throw new RangeError(`${inflated.length} bytes; expected ${byteLength}`);
    return inflated;
  },
  randomBytes: (into) => void randomFillSync(into),
  nowMs: () => Date.now(),
  cipher: (passphrase, salt, iterations) => aesGcm(webcrypto, Buffer.from(passphrase), salt, iterations),
  yield: () => new Promise((resolve) => setImmediate(resolve)),
};
