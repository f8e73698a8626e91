/*
 * A 256 x 256 matrix product in double precision: fused multiply-additions, and memory walked along and across rows.
 * The elements are small integers, so every sum is exact, and (A B) r = A (B r) must hold to the last bit.
 */
#include "bench.h"

#define ORDER 256
#define REPEATS 8

static double a[ORDER][ORDER], b[ORDER][ORDER], product[ORDER][ORDER];

static void fill(double matrix[ORDER][ORDER], uint64_t *random) {
  for (int row = 0; row < ORDER; row++) {
    for (int column = 0; column < ORDER; column++) matrix[row][column] = (double)(bench_random(random) % 1000) - 500;
  }
}

__attribute__((noinline)) static void multiply(void) {
  for (int row = 0; row < ORDER; row++) {
    for (int column = 0; column < ORDER; column++) {
      double sum = 0;
      for (int n = 0; n < ORDER; n++) sum += a[row][n] * b[n][column];
      product[row][column] = sum;
    }
  }
}

static void apply(double matrix[ORDER][ORDER], const double *vector, double *result) {
  for (int row = 0; row < ORDER; row++) {
    result[row] = 0;
    for (int column = 0; column < ORDER; column++) result[row] += matrix[row][column] * vector[column];
  }
}

int main(void) {
  uint64_t random = 88172645463325252u;
  fill(a, &random);
  fill(b, &random);
  bench_start();
  for (int n = 0; n < REPEATS; n++) multiply();
  bench_stop("matmul");

  double r[ORDER], br[ORDER], abr[ORDER], pr[ORDER];
  for (int n = 0; n < ORDER; n++) r[n] = (double)(bench_random(&random) % 100);
  apply(b, r, br);
  apply(a, br, abr);
  apply(product, r, pr);
  bool ok = true;
  for (int n = 0; n < ORDER; n++) ok = ok && abr[n] == pr[n];
  return bench_report("matmul", 2.0 * ORDER * ORDER * ORDER * REPEATS, "flop", ok);
}
