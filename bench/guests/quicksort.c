/*
 * 2 million random 64-bit numbers sorted by our own quicksort: branches nobody can predict, and memory in two streams.
 */
#include "bench.h"

#define COUNT 2000000

static void insertion_sort(uint64_t *first, uint64_t *end) {
  for (uint64_t *next = first + 1; next < end; next++) {
    uint64_t value = *next;
    uint64_t *hole = next;
    for (; hole > first && hole[-1] > value; hole--) *hole = hole[-1];
    *hole = value;
  }
}

static uint64_t median(uint64_t a, uint64_t b, uint64_t c) {
  if (a < b) return b < c ? b : a < c ? c : a;
  return a < c ? a : b < c ? c : b;
}

/* Hoare's partition; the smaller side by recursion, the larger by the loop. */
static void quicksort(uint64_t *first, uint64_t *end) {
  while (end - first > 16) {
    uint64_t pivot = median(first[0], first[(end - first) / 2], end[-1]);
    uint64_t *low = first, *high = end - 1;
    for (;;) {
      while (*low < pivot) low++;
      while (*high > pivot) high--;
      if (low >= high) break;
      uint64_t value = *low;
      *low++ = *high;
      *high-- = value;
    }
    uint64_t *split = high + 1;
    if (split - first < end - split) {
      quicksort(first, split);
      first = split;
    } else {
      quicksort(split, end);
      end = split;
    }
  }
  insertion_sort(first, end);
}

static uint64_t numbers[COUNT];

int main(void) {
  uint64_t random = 88172645463325252u, sum = 0;
  for (int n = 0; n < COUNT; n++) sum += numbers[n] = bench_random(&random);
  bench_start();
  quicksort(numbers, numbers + COUNT);
  bench_stop("quicksort");
  bool ok = true;
  for (int n = 0; n < COUNT; n++) {
    sum -= numbers[n];
    if (n > 0 && numbers[n - 1] > numbers[n]) ok = false;
  }
  return bench_report("quicksort", COUNT, "numbers", ok && sum == 0);
}
