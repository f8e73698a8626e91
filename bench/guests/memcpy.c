/*
 * 256 MiB copied with the C library's memcpy, 16 MiB at a time, so that most pages are touched more than once.
 */
#include "bench.h"

#include <string.h>

#define PIECE_BYTES (16u << 20)
#define PIECES 16

static uint64_t source[PIECE_BYTES / 8], target[PIECE_BYTES / 8];

static uint64_t sum(const uint64_t *words) {
  uint64_t total = 0;
  for (uint32_t n = 0; n < PIECE_BYTES / 8; n++) total = (total << 1 | total >> 63) + words[n];
  return total;
}

int main(void) {
  uint64_t random = 88172645463325252u;
  for (uint32_t n = 0; n < PIECE_BYTES / 8; n++) source[n] = bench_random(&random);
  memset(target, 0, PIECE_BYTES);
  bench_start();
  for (uint32_t n = 0; n < PIECES; n++) {
    source[n] = n;
    memcpy(target, source, PIECE_BYTES);
    /* The compiler must not leave out a copy because the next one overwrites it. */
    __asm__ volatile("" : : "r"(target) : "memory");
  }
  bench_stop("memcpy");
  return bench_report("memcpy", (double)PIECE_BYTES * PIECES, "B", sum(source) == sum(target));
}
