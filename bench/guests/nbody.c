/*
 * Eight bodies that attract each other, in double precision: additions, multiplications, divisions, square roots.
 * Leapfrog steps keep the energy (to about the square of the step) and the momentum (to rounding): both are checked.
 */
#include "bench.h"

#include <math.h>

#define BODY_COUNT 8
#define STEPS 500000
#define STEP 0.001

struct body {
  double x[3];
  double v[3];
  double mass;
};

static struct body bodies[BODY_COUNT];

/* A heavy body in the middle, the others on inclined circles around it. */
static void place_bodies(void) {
  bodies[0].mass = 1000;
  for (int n = 1; n < BODY_COUNT; n++) {
    double radius = 4 + 3 * n, angle = 2.4 * n, tilt = 0.1 * n;
    double speed = sqrt(bodies[0].mass / radius);
    bodies[n] = (struct body){
        {radius * cos(angle), radius * sin(angle) * cos(tilt), radius * sin(angle) * sin(tilt)},
        {-speed * sin(angle), speed * cos(angle) * cos(tilt), speed * cos(angle) * sin(tilt)},
        0.1 * n,
    };
  }
  /* The middle one moves so that the whole stays where it is. */
  for (int axis = 0; axis < 3; axis++) {
    for (int n = 1; n < BODY_COUNT; n++) bodies[0].v[axis] -= bodies[n].mass * bodies[n].v[axis] / bodies[0].mass;
  }
}

/* The velocities after `time` under the forces of the present positions. */
static void kick(double time) {
  for (int n = 0; n < BODY_COUNT; n++) {
    struct body *a = &bodies[n];
    for (int m = n + 1; m < BODY_COUNT; m++) {
      struct body *b = &bodies[m];
      double dx = b->x[0] - a->x[0], dy = b->x[1] - a->x[1], dz = b->x[2] - a->x[2];
      double square = dx * dx + dy * dy + dz * dz;
      double pull = time / (square * sqrt(square));
      a->v[0] += dx * pull * b->mass, b->v[0] -= dx * pull * a->mass;
      a->v[1] += dy * pull * b->mass, b->v[1] -= dy * pull * a->mass;
      a->v[2] += dz * pull * b->mass, b->v[2] -= dz * pull * a->mass;
    }
  }
}

static void drift(double time) {
  for (int n = 0; n < BODY_COUNT; n++) {
    for (int axis = 0; axis < 3; axis++) bodies[n].x[axis] += time * bodies[n].v[axis];
  }
}

static double energy(void) {
  double sum = 0;
  for (int n = 0; n < BODY_COUNT; n++) {
    const struct body *a = &bodies[n];
    sum += 0.5 * a->mass * (a->v[0] * a->v[0] + a->v[1] * a->v[1] + a->v[2] * a->v[2]);
    for (int m = n + 1; m < BODY_COUNT; m++) {
      const struct body *b = &bodies[m];
      double dx = b->x[0] - a->x[0], dy = b->x[1] - a->x[1], dz = b->x[2] - a->x[2];
      sum -= a->mass * b->mass / sqrt(dx * dx + dy * dy + dz * dz);
    }
  }
  return sum;
}

static double momentum(void) {
  double sum[3] = {0};
  for (int n = 0; n < BODY_COUNT; n++) {
    for (int axis = 0; axis < 3; axis++) sum[axis] += bodies[n].mass * bodies[n].v[axis];
  }
  return fabs(sum[0]) + fabs(sum[1]) + fabs(sum[2]);
}

int main(void) {
  place_bodies();
  double before = energy();
  bench_start();
  kick(STEP / 2);
  for (int step = 0; step < STEPS; step++) {
    drift(STEP);
    kick(step + 1 < STEPS ? STEP : STEP / 2);
  }
  bench_stop("nbody");
  bool ok = fabs(energy() / before - 1) < 1e-6 && momentum() < 1e-9;
  return bench_report("nbody", STEPS, "steps", ok);
}
