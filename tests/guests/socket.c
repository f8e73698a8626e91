/*
 * "socket echo PORT COUNT" accepts COUNT connections on a vsock port and sends back what comes, until its end.
 * "socket send PORT" connects to a port of the host, sends standard input, and prints what comes back.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/vm_sockets.h>
#include <unistd.h>

static char buffer[1 << 16];

static void send_all(int to, const char *bytes, ssize_t length) {
  while (length > 0) {
    ssize_t done = write(to, bytes, length);
    if (done <= 0) {
      perror("write");
      exit(1);
    }
    bytes += done;
    length -= done;
  }
}

static int echo(int listener, int count) {
  if (listen(listener, 8) < 0) return perror("listen"), 1;
  puts("listening");
  fflush(stdout);
  while (count-- > 0) {
    int peer = accept(listener, 0, 0);
    ssize_t length;
    while ((length = read(peer, buffer, sizeof buffer)) > 0) send_all(peer, buffer, length);
    if (length < 0) perror("read");
    close(peer);
  }
  return 0;
}

static int send_input(int peer) {
  struct pollfd waits[2] = {{.fd = 0, .events = POLLIN}, {.fd = peer, .events = POLLIN}};
  while (waits[0].fd >= 0 || waits[1].fd >= 0) {
    poll(waits, 2, -1);
    if (waits[0].revents) {
      ssize_t length = read(0, buffer, 4096);
      if (length > 0) send_all(peer, buffer, length);
      else {
        shutdown(peer, SHUT_WR);
        waits[0].fd = -1;
      }
    }
    if (waits[1].revents) {
      ssize_t length = read(peer, buffer, sizeof buffer);
      if (length < 0) return perror("read"), 1;
      if (length == 0) waits[1].fd = -1;
      send_all(1, buffer, length);
    }
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  int is_echo = strcmp(argv[1], "echo") == 0;
  struct sockaddr_vm address = {.svm_family = AF_VSOCK, .svm_port = atoi(argv[2])};
  address.svm_cid = is_echo ? VMADDR_CID_ANY : VMADDR_CID_HOST;
  int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
  if (fd < 0) return perror("socket"), 1;
  if (is_echo) {
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) return perror("bind"), 1;
    return echo(fd, atoi(argv[3]));
  }
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) return perror("connect"), 1;
  return send_input(fd);
}
