/*
 * SHA-256 (FIPS 180-4) of 64 MiB in memory: 32-bit rotations and additions in straight code.
 * Byte n of the message is the low byte of n * 167 + (n >> 8).
 */
#include "bench.h"

#include <string.h>

#define MESSAGE_BYTES (64u << 20)

struct sha256 {
  uint32_t h[8];
};

/* FIPS 180-4, 4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static uint32_t k[64];

static bool is_prime(uint32_t n) {
  for (uint32_t d = 2; d * d <= n; d++) {
    if (n % d == 0) return false;
  }
  return true;
}

/* The largest r with r^power <= n * 2^(32 power), less its whole part: 32 bits behind the point of a root. */
static uint32_t root_fraction(uint32_t n, int power) {
  uint64_t root = 0;
  for (int bit = 36; bit >= 0; bit--) {
    uint64_t r = root | (uint64_t)1 << bit;
    unsigned __int128 product = (unsigned __int128)r * r;
    unsigned __int128 bound = (unsigned __int128)n << 64;
    bool fits;
    if (power == 2) {
      fits = product <= bound;
    } else {
      /* r^3 <= n * 2^96, with the low 32 bits of r^2 in a product of their own to stay within 128 bits */
      unsigned __int128 high = (product >> 32) * r;
      unsigned __int128 low = (product & 0xffffffffu) * r;
      fits = high + (low >> 32) < bound;
    }
    if (fits) root = r;
  }
  return (uint32_t)root;
}

static struct sha256 initial;

static void make_constants(void) {
  uint32_t prime = 2;
  for (int n = 0; n < 64; prime++) {
    if (!is_prime(prime)) continue;
    if (n < 8) initial.h[n] = root_fraction(prime, 2);
    k[n++] = root_fraction(prime, 3);
  }
}

static inline uint32_t rotr(uint32_t x, int n) { return x >> n | x << (32 - n); }

static inline uint32_t load_be(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* One round: computes the new a in h's place and the new e in d's, so that names turn instead of values. */
#define ROUND(a, b, c, d, e, f, g, h, t)                                                             \
  do {                                                                                               \
    uint32_t t1 = h + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & f) ^ (~e & g)) + k[t] + w[t]; \
    d += t1;                                                                                         \
    h = t1 + (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));               \
  } while (0)

static void compress(struct sha256 *state, const uint8_t *block) {
  uint32_t w[64];
  for (int t = 0; t < 16; t++) w[t] = load_be(block + 4 * t);
  for (int t = 16; t < 64; t++) {
    uint32_t s0 = rotr(w[t - 15], 7) ^ rotr(w[t - 15], 18) ^ w[t - 15] >> 3;
    uint32_t s1 = rotr(w[t - 2], 17) ^ rotr(w[t - 2], 19) ^ w[t - 2] >> 10;
    w[t] = w[t - 16] + s0 + w[t - 7] + s1;
  }
  uint32_t *v = state->h;
  uint32_t a = v[0], b = v[1], c = v[2], d = v[3], e = v[4], f = v[5], g = v[6], h = v[7];
  for (int t = 0; t < 64; t += 8) {
    ROUND(a, b, c, d, e, f, g, h, t);
    ROUND(h, a, b, c, d, e, f, g, t + 1);
    ROUND(g, h, a, b, c, d, e, f, t + 2);
    ROUND(f, g, h, a, b, c, d, e, t + 3);
    ROUND(e, f, g, h, a, b, c, d, t + 4);
    ROUND(d, e, f, g, h, a, b, c, t + 5);
    ROUND(c, d, e, f, g, h, a, b, t + 6);
    ROUND(b, c, d, e, f, g, h, a, t + 7);
  }
  v[0] += a, v[1] += b, v[2] += c, v[3] += d, v[4] += e, v[5] += f, v[6] += g, v[7] += h;
}

static struct sha256 sha256(const uint8_t *message, uint64_t length) {
  struct sha256 state = initial;
  uint64_t whole = length / 64 * 64;
  for (uint64_t at = 0; at < whole; at += 64) compress(&state, message + at);
  uint8_t tail[128] = {0};
  uint64_t rest = length - whole;
  memcpy(tail, message + whole, rest);
  tail[rest] = 0x80;
  uint64_t tail_length = rest < 56 ? 64 : 128;
  for (int n = 0; n < 8; n++) tail[tail_length - 1 - n] = (uint8_t)(length * 8 >> 8 * n);
  for (uint64_t at = 0; at < tail_length; at += 64) compress(&state, tail + at);
  return state;
}

static uint8_t message[MESSAGE_BYTES];

static bool equals(const struct sha256 *state, const uint32_t *expected) {
  return memcmp(state->h, expected, sizeof state->h) == 0;
}

int main(void) {
  /* FIPS 180-4, the example "abc". */
  static const uint32_t abc[8] = {0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223,
                                  0xb00361a3, 0x96177a9c, 0xb410ff61, 0xf20015ad};
  /* Computed with OpenSSL. */
  static const uint32_t expected[8] = {0x5ce77af6, 0x2760736f, 0xceb5035e, 0xfd8653ce,
                                       0xc9c9130b, 0x5008cebc, 0xe8f6b8f0, 0xe46b9dea};
  make_constants();
  for (uint32_t n = 0; n < MESSAGE_BYTES; n++) message[n] = (uint8_t)(n * 167 + (n >> 8));
  struct sha256 test = sha256((const uint8_t *)"abc", 3);
  bench_start();
  struct sha256 digest = sha256(message, MESSAGE_BYTES);
  bench_stop("sha256");
  return bench_report("sha256", MESSAGE_BYTES, "B", equals(&test, abc) && equals(&digest, expected));
}
