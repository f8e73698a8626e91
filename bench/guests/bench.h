#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What every guest program has in common: it does a fixed amount of work between two lines on its standard output,
 *
 *   bench go
 *   bench name=sha256 seconds=1.234567
 *
 * checks the result, says so in a third, and ends with status 0, or 1 when the result is wrong:
 *
 *   bench name=sha256 work=67108864 unit=B check=ok
 *
 * The seconds are those of its own clock; whoever reads the first two lines has another.
 */

/* Prints the first line. */
void bench_start(void);

/* Prints the second. */
void bench_stop(const char *name);

/* Prints the third; gives the status for main to return. */
int bench_report(const char *name, double work, const char *unit, bool ok);

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
