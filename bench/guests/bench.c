#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

double bench_now(void) {
  struct timespec now;
  if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) bench_fail("clock_gettime");
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int bench_report(const char *name, double work, const char *unit, double seconds, bool ok) {
  printf("bench name=%s work=%.0f unit=%s seconds=%.6f check=%s\n", name, work, unit, seconds, ok ? "ok" : "failed");
  return ok ? 0 : 1;
}

void bench_fail(const char *what) {
  perror(what);
  exit(2);
}
