/*
 * The shell starts 500 programs, one after the other: fork, exec, page faults, exit; most of it is the kernel's work.
 */
#include "bench.h"

#include <sys/wait.h>
#include <unistd.h>

#define PROGRAMS 500

int main(void) {
  /* With a slash, so that the shell starts a process instead of doing it itself; the script's status is the count. */
  static char script[] = "n=0; while [ $n -lt 500 ] && /bin/true; do n=$((n + 1)); done; [ $n -eq 500 ]";
  char *arguments[] = {"sh", "-c", script, NULL};
  bench_start();
  pid_t child = fork();
  if (child < 0) bench_fail("fork");
  if (child == 0) {
    execv("/bin/sh", arguments);
    bench_fail("/bin/sh");
  }
  int status;
  if (waitpid(child, &status, 0) != child) bench_fail("waitpid");
  bench_stop("spawn");
  return bench_report("spawn", PROGRAMS, "programs", WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
