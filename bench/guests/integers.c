/*
 * What compiled integer code mostly does, in four parts of about equal weight: a linked list is searched, reversed and
 * sorted; small matrices of 16-bit numbers are multiplied; a state machine reads text; everything is summed up by a CRC
 * computed bit by bit. The sum after all rounds must be the one known from other processors.
 */
#include "bench.h"

#include <stddef.h>

#define ROUNDS 40000
#define EXPECTED_CRC 0xfc89f2d9u

/* ---- CRC-32 (polynomial 0xedb88320), one bit at a time: shifts and branches that depend on data ---- */

static uint32_t crc_u32(uint32_t crc, uint32_t value) {
  crc ^= value;
  for (int bit = 0; bit < 32; bit++) crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
  return crc;
}

/* ---- list: pointer chasing ---- */

#define NODE_COUNT 40

struct node {
  struct node *next;
  int16_t key;
  int16_t value;
};

static struct node nodes[NODE_COUNT];

static struct node *make_list(uint64_t *random) {
  for (int n = 0; n < NODE_COUNT; n++) {
    uint64_t r = bench_random(random);
    nodes[n] = (struct node){n + 1 < NODE_COUNT ? &nodes[n + 1] : NULL, (int16_t)(r & 0x3ff), (int16_t)(r >> 16)};
  }
  return nodes;
}

static struct node *reverse(struct node *list) {
  struct node *reversed = NULL;
  while (list) {
    struct node *next = list->next;
    list->next = reversed;
    reversed = list;
    list = next;
  }
  return reversed;
}

static const struct node *find(const struct node *list, int16_t key) {
  while (list && list->key != key) list = list->next;
  return list;
}

typedef int (*compare)(const struct node *, const struct node *);

static int by_key(const struct node *a, const struct node *b) { return a->key - b->key; }
static int by_value(const struct node *a, const struct node *b) { return a->value - b->value; }

static struct node *merge(struct node *a, struct node *b, compare order) {
  struct node *first = NULL;
  struct node **last = &first;
  while (a && b) {
    struct node **from = order(a, b) <= 0 ? &a : &b;
    *last = *from;
    last = &(*from)->next;
    *from = *last;
  }
  *last = a ? a : b;
  return first;
}

static struct node *sort(struct node *list, compare order) {
  if (!list || !list->next) return list;
  struct node *middle = list;
  for (struct node *end = list->next; end && end->next; end = end->next->next) middle = middle->next;
  struct node *second = middle->next;
  middle->next = NULL;
  return merge(sort(list, order), sort(second, order), order);
}

static uint32_t list_part(uint32_t crc, uint64_t *random) {
  struct node *list = make_list(random);
  list = sort(reverse(list), by_value);
  uint32_t sum = 0;
  for (uint32_t n = 0; n < 20; n++) {
    const struct node *found = find(list, (int16_t)(bench_random(random) & 0x3ff));
    sum = sum * 5 + (found ? (uint16_t)found->value : n);
  }
  list = sort(list, by_key);
  crc = crc_u32(crc, sum);
  return crc_u32(crc, (uint32_t)list->key << 16 | (uint16_t)list->value);
}

/* ---- matrices: multiplication and address arithmetic ---- */

#define ORDER 18

static uint32_t matrix_part(uint32_t crc, uint64_t *random) {
  static int16_t a[ORDER][ORDER], b[ORDER][ORDER];
  static int32_t product[ORDER][ORDER];
  for (int row = 0; row < ORDER; row++) {
    for (int column = 0; column < ORDER; column++) {
      uint64_t r = bench_random(random);
      a[row][column] = (int16_t)(r & 0xff);
      b[row][column] = (int16_t)(r >> 8 & 0xff);
    }
  }
  for (int row = 0; row < ORDER; row++) {
    for (int column = 0; column < ORDER; column++) {
      int32_t sum = 0;
      for (int n = 0; n < ORDER; n++) sum += (int32_t)a[row][n] * b[n][column];
      product[row][column] = sum;
    }
  }
  uint32_t total = 0;
  for (int row = 0; row < ORDER; row++) {
    for (int column = 0; column < ORDER; column++) {
      int32_t element = product[row][column];
      total += (uint32_t)(element >> 3 & 0x7f) * (uint32_t)(row + 1) + (element > 100000 ? 7u : 1u);
    }
  }
  return crc_u32(crc, total);
}

/* ---- state machine: which words of a text are integers, decimals, names or neither ---- */

enum state { START, SIGN, INTEGER, FRACTION, NAME, OTHER, STATE_COUNT };

static enum state step(enum state state, char c) {
  bool digit = c >= '0' && c <= '9';
  bool letter = (c >= 'a' && c <= 'z') || c == '_';
  switch (state) {
    case START:
      return c == '-' || c == '+' ? SIGN : digit ? INTEGER : letter ? NAME : OTHER;
    case SIGN:
      return digit ? INTEGER : OTHER;
    case INTEGER:
      return digit ? INTEGER : c == '.' ? FRACTION : OTHER;
    case FRACTION:
      return digit ? FRACTION : OTHER;
    case NAME:
      return digit || letter ? NAME : OTHER;
    default:
      return OTHER;
  }
}

static uint32_t state_part(uint32_t crc, uint64_t *random) {
  static const char alphabet[] = "0123456789012345abcxyz_.-+  , ;";
  static char text[1200];
  for (size_t n = 0; n < sizeof text; n += 8) {
    uint64_t r = bench_random(random);
    for (int k = 0; k < 8; k++, r >>= 8) text[n + k] = alphabet[(r & 0xff) % (sizeof alphabet - 1)];
  }
  uint32_t counts[STATE_COUNT] = {0};
  enum state state = START;
  for (size_t n = 0; n < sizeof text; n++) {
    char c = text[n];
    if (c == ' ' || c == ',' || c == ';') {
      counts[state]++;
      state = START;
    } else {
      state = step(state, c);
    }
  }
  for (int n = 0; n < STATE_COUNT; n++) crc = crc_u32(crc, counts[n]);
  return crc;
}

int main(void) {
  uint64_t random = 88172645463325252u;
  uint32_t crc = 0xffffffffu;
  bench_start();
  for (int round = 0; round < ROUNDS; round++) {
    crc = list_part(crc, &random);
    crc = matrix_part(crc, &random);
    crc = state_part(crc, &random);
  }
  bench_stop("integers");
  return bench_report("integers", ROUNDS, "rounds", crc == EXPECTED_CRC);
}
