#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What every guest program has in common: it does a fixed amount of work between two readings of the clock, checks the
 * result and prints one line,
 *
 *   bench name=sha256 work=67108864 unit=B seconds=1.234567 check=ok
 *
 * and ends with status 0, or 1 when the check failed ("check=failed").
 */

/* Seconds of CLOCK_MONOTONIC. */
double bench_now(void);

/* Prints the line; gives the status for main to return. */
int bench_report(const char *name, double work, const char *unit, double seconds, bool ok);

/* Prints to standard error what could not be done, and ends the program. */
void bench_fail(const char *what);

/* The next value of a 64-bit generator (Marsaglia's xorshift, shifts 13, 7, 17); state must not be 0. */
static inline uint64_t bench_random(uint64_t *state) {
  uint64_t x = *state;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return *state = x;
}

#endif
