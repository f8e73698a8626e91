/*
 * Records and strings: a small stock of goods is booked in and out, as business programs do. Structures are copied,
 * strings compared and built, a hash table is searched, and much of the time goes into calls of short functions.
 */
#include "bench.h"

#include <string.h>

#define ROUNDS 6000000
#define EXPECTED_DIGEST 0x34dada06a002e735u

#define NAME_LENGTH 24
#define ARTICLE_COUNT 128
#define BUCKET_COUNT 64

enum kind { KIND_PIECE, KIND_WEIGHT, KIND_LENGTH, KIND_COUNT };

struct article {
  char name[NAME_LENGTH];
  enum kind kind;
  int32_t stock;
  int32_t price;
  struct article *next;
};

struct order {
  struct article article; /* as it was when the order was taken */
  int32_t amount;
  int32_t total;
};

static struct article articles[ARTICLE_COUNT];
static struct article *buckets[BUCKET_COUNT];

__attribute__((noinline)) static uint32_t hash(const char *name) {
  uint32_t value = 2166136261u;
  while (*name) value = (value ^ (uint8_t)*name++) * 16777619u;
  return value;
}

__attribute__((noinline)) static void name_article(char *name, uint32_t number) {
  static const char *const materials[] = {"OAK BOARD", "STEEL WIRE", "LINEN CLOTH", "COPPER NAIL"};
  strcpy(name, materials[number & 3]);
  size_t length = strlen(name);
  name[length++] = ' ';
  do name[length++] = (char)('0' + number % 10);
  while (number /= 10);
  name[length] = '\0';
}

static void fill_stock(void) {
  for (uint32_t n = 0; n < ARTICLE_COUNT; n++) {
    struct article *article = &articles[n];
    name_article(article->name, n);
    article->kind = (enum kind)(n % KIND_COUNT);
    article->stock = 1000;
    article->price = (int32_t)(10 + n * 7 % 91);
    struct article **bucket = &buckets[hash(article->name) % BUCKET_COUNT];
    article->next = *bucket;
    *bucket = article;
  }
}

__attribute__((noinline)) static struct article *find(const char *name) {
  struct article *article = buckets[hash(name) % BUCKET_COUNT];
  while (article && strcmp(article->name, name) != 0) article = article->next;
  return article;
}

__attribute__((noinline)) static int32_t total_of(const struct order *order) {
  int32_t total = order->amount * order->article.price;
  switch (order->article.kind) {
    case KIND_PIECE:
      return order->amount >= 12 ? total - total / 12 : total;
    case KIND_WEIGHT:
      return total + 5;
    case KIND_LENGTH:
      return total - total % 3;
    default:
      return 0;
  }
}

__attribute__((noinline)) static bool take_order(struct order *order, const char *name, int32_t amount) {
  struct article *article = find(name);
  if (!article) return false;
  order->article = *article;
  order->amount = amount;
  order->total = total_of(order);
  if (article->stock < amount) {
    article->stock += 1000;
    article->price += article->price < 100 ? 1 : -90;
  }
  article->stock -= amount;
  return true;
}

int main(void) {
  fill_stock();
  uint64_t random = 88172645463325252u;
  uint64_t digest = 0;
  uint32_t missed = 0;
  struct order last = {0}, order = {0};
  bench_start();
  for (uint32_t round = 0; round < ROUNDS; round++) {
    uint64_t r = bench_random(&random);
    char name[NAME_LENGTH];
    name_article(name, r % (ARTICLE_COUNT + 8));
    if (!take_order(&order, name, (int32_t)(1 + (r >> 32) % 30))) {
      missed++;
      continue;
    }
    if (strcmp(order.article.name, last.article.name) > 0) digest += (uint32_t)last.total;
    digest = digest * 31 + (uint32_t)order.total;
    last = order;
  }
  bench_stop("records");
  digest ^= (uint64_t)missed << 32;
  return bench_report("records", ROUNDS, "orders", digest == EXPECTED_DIGEST);
}
