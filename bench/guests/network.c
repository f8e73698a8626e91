/*
 * The network from inside a guest, to servers of the bench at 10.0.2.2 on the port of net=PORT on the kernel's command
 * line and the two after it: one that takes everything, one that sends without end, one that sends back.
 *
 *   network send|receive|round-trip|connect
 */
#include "bench.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STREAM_BYTES (128L << 20)
#define ROUND_TRIPS 10000
#define CONNECTIONS 1500

static char buffer[1 << 17];

static int base_port(void) {
  char line[4096] = {0};
  FILE *file = fopen("/proc/cmdline", "r");
  if (file == NULL || fgets(line, sizeof line, file) == NULL) bench_fail("/proc/cmdline");
  fclose(file);
  const char *word = strstr(line, " net=");
  if (word == NULL) bench_fail("net= on the kernel's command line");
  return atoi(word + 5);
}

static int dial(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, "10.0.2.2", &address.sin_addr);
  int one = 1;
  int s = socket(AF_INET, SOCK_STREAM, 0);
  if (s < 0 || connect(s, (struct sockaddr *)&address, sizeof address) != 0) bench_fail("connect");
  setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return s;
}

static void echo_byte(int s) {
  if (write(s, buffer, 1) != 1 || read(s, buffer, 1) != 1) bench_fail("a byte and its echo");
}

static int send_all(int port) {
  int s = dial(port);
  bench_start();
  for (long done = 0; done < STREAM_BYTES;) {
    ssize_t count = write(s, buffer, sizeof buffer);
    if (count <= 0) bench_fail("write");
    done += count;
  }
  shutdown(s, SHUT_WR);
  /* The server answers what it has counted once it has seen the end. */
  memset(buffer, 0, 64);
  ssize_t count = read(s, buffer, 63);
  bench_stop("net-send");
  return bench_report("net-send", STREAM_BYTES, "B", count > 0 && atol(buffer) == STREAM_BYTES);
}

static int receive_all(int port) {
  int s = dial(port);
  bench_start();
  for (long done = 0; done < STREAM_BYTES;) {
    ssize_t count = read(s, buffer, sizeof buffer);
    if (count <= 0) bench_fail("read");
    done += count;
  }
  bench_stop("net-receive");
  return bench_report("net-receive", STREAM_BYTES, "B", true);
}

static int round_trips(int port) {
  int s = dial(port);
  bench_start();
  for (int n = 0; n < ROUND_TRIPS; n++) echo_byte(s);
  bench_stop("net-round-trip");
  return bench_report("net-round-trip", ROUND_TRIPS, "round-trips", true);
}

static int connections(int port) {
  bench_start();
  for (int n = 0; n < CONNECTIONS; n++) {
    int s = dial(port);
    echo_byte(s);
    close(s);
  }
  bench_stop("net-connect");
  return bench_report("net-connect", CONNECTIONS, "connections", true);
}

int main(int count, char **words) {
  int port = base_port();
  const char *what = count > 1 ? words[1] : "";
  if (strcmp(what, "send") == 0) return send_all(port);
  if (strcmp(what, "receive") == 0) return receive_all(port + 1);
  if (strcmp(what, "round-trip") == 0) return round_trips(port + 2);
  if (strcmp(what, "connect") == 0) return connections(port + 2);
  bench_fail("expected send, receive, round-trip or connect");
  return 1;
}
