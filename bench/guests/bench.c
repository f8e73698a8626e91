#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double started;

static double now(void) {
  struct timespec time;
  if (clock_gettime(CLOCK_MONOTONIC, &time) != 0) bench_fail("clock_gettime");
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

void bench_start(void) {
  puts("bench go");
  fflush(stdout);
  started = now();
}

void bench_stop(const char *name) {
  printf("bench name=%s seconds=%.6f\n", name, now() - started);
  fflush(stdout);
}

int bench_report(const char *name, double work, const char *unit, bool ok) {
  printf("bench name=%s work=%.0f unit=%s check=%s\n", name, work, unit, ok ? "ok" : "failed");
  return ok ? 0 : 1;
}

void bench_fail(const char *what) {
  perror(what);
  exit(2);
}
