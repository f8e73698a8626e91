/**
 * SHA-256, at once: the browser's own answers only later, and a guest waits for a chunk that is being checked.
 *
 * Source: FIPS 180-4.
 */

const BLOCK_BYTE_LENGTH = 64;
const ROUNDS = 64;
const DIGEST_WORDS = 8;
/** Room for the 1 bit and the length that end a message. */
const TRAILER_BYTE_LENGTH = 9;

const K = new Int32Array(ROUNDS);
const INITIAL = new Int32Array(DIGEST_WORDS);
fillConstants();

/** @returns 32 bytes */
export function sha256(bytes: Uint8Array): Uint8Array {
  const state = INITIAL.slice();
  const schedule = new Int32Array(ROUNDS);
  const whole = bytes.length - (bytes.length % BLOCK_BYTE_LENGTH);
  for (let offset = 0; offset < whole; offset += BLOCK_BYTE_LENGTH) compress(state, schedule, bytes, offset);
  const tail = paddedTail(bytes, whole);
  for (let offset = 0; offset < tail.length; offset += BLOCK_BYTE_LENGTH) compress(state, schedule, tail, offset);
  const digest = new Uint8Array(DIGEST_WORDS * 4);
  const view = new DataView(digest.buffer);
  state.forEach((word, index) => {
    view.setInt32(index * 4, word);
  });
  return digest;
}

function paddedTail(bytes: Uint8Array, start: number): Uint8Array {
  const left = bytes.length - start;
  const blocks = left + TRAILER_BYTE_LENGTH <= BLOCK_BYTE_LENGTH ? 1 : 2;
  const tail = new Uint8Array(blocks * BLOCK_BYTE_LENGTH);
  tail.set(bytes.subarray(start));
  tail[left] = 0x80;
  new DataView(tail.buffer).setBigUint64(tail.length - 8, BigInt(bytes.length) * 8n);
  return tail;
}

/** Section 6.2.2, steps 1 to 4. */
function compress(state: Int32Array, w: Int32Array, bytes: Uint8Array, offset: number): void {
  for (let t = 0, at = offset; t < 16; t++, at += 4) {
    w[t] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  }
  for (let t = 16; t < ROUNDS; t++) {
    const w15 = w[t - 15]!;
    const w2 = w[t - 2]!;
    const s0 = ((w15 >>> 7) | (w15 << 25)) ^ ((w15 >>> 18) | (w15 << 14)) ^ (w15 >>> 3);
    const s1 = ((w2 >>> 17) | (w2 << 15)) ^ ((w2 >>> 19) | (w2 << 13)) ^ (w2 >>> 10);
    w[t] = (w[t - 16]! + s0 + w[t - 7]! + s1) | 0;
  }
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  let e = state[4]!;
  let f = state[5]!;
  let g = state[6]!;
  let h = state[7]!;
  for (let t = 0; t < ROUNDS; t++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[t]! + w[t]!) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0] = state[0]! + a;
  state[1] = state[1]! + b;
  state[2] = state[2]! + c;
  state[3] = state[3]! + d;
  state[4] = state[4]! + e;
  state[5] = state[5]! + f;
  state[6] = state[6]! + g;
  state[7] = state[7]! + h;
}

/** Sections 4.2.2 and 5.3.3: bits of the fractions of cube and square roots of the first primes. */
function fillConstants(): void {
  let candidate = 2;
  for (let count = 0; count < ROUNDS; candidate++) {
    if (!isPrime(candidate)) continue;
    K[count] = fractionBits(candidate, 3);
    if (count < DIGEST_WORDS) INITIAL[count] = fractionBits(candidate, 2);
    count++;
  }
}

function isPrime(n: number): boolean {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false;
  return true;
}

/** The first 32 bits of the fraction of the root: floor((n * 2^(32 degree))^(1 / degree)) modulo 2^32. */
function fractionBits(n: number, degree: 2 | 3): number {
  const target = BigInt(n) << BigInt(32 * degree);
  let low = 0n;
  let high = 1n << 37n;
  while (high - low > 1n) {
    const middle = (low + high) >> 1n;
    if (middle ** BigInt(degree) <= target) low = middle;
    else high = middle;
  }
  return Number(BigInt.asIntN(32, low));
}
