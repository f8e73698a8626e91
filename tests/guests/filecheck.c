/*
 * Does things to files below the current directory and prints what came of each. Run on two file systems, it prints
 * the same where they behave the same. Times, sizes of directories and numbers of inodes are left out: they may differ.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *what, long result) {
  if (result < 0) printf("%s: %s\n", what, strerror(errno));
  else printf("%s: %ld\n", what, result);
}
#define DO(call) say(#call, (long)(call))

static void show(const char *path) {
  struct stat s;
  if (lstat(path, &s) < 0) {
    printf("%s: %s\n", path, strerror(errno));
    return;
  }
  printf("%s: mode %o links %ld", path, s.st_mode, S_ISDIR(s.st_mode) ? 0 : (long)s.st_nlink);
  if (!S_ISDIR(s.st_mode)) printf(" size %ld", (long)s.st_size);
  printf("\n");
}

static void put(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) printf("put %s: %s\n", path, strerror(errno));
  close(fd);
}

static void get(const char *path) {
  char text[256];
  int fd = open(path, O_RDONLY);
  ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (length < 0) printf("get %s: %s\n", path, strerror(errno));
  else printf("get %s: \"%.*s\"\n", path, (int)length, text);
  if (fd >= 0) close(fd);
}

static void creating(void) {
  umask(022);
  DO(close(open("file", O_RDWR | O_CREAT | O_EXCL, 0666)));
  show("file");
  DO(open("file", O_RDWR | O_CREAT | O_EXCL, 0666));
  DO(open("none", O_RDONLY));
  DO(open("file/x", O_RDONLY));
  DO(open("file", O_RDONLY | O_DIRECTORY));
  umask(0);
  DO(close(open("open-to-all", O_WRONLY | O_CREAT, 0666)));
  show("open-to-all");
  DO(mkdir("directory", 0777));
  DO(mkdir("directory", 0777));
  DO(mkdir("none/directory", 0777));
  DO(mkdir("sticky", 01777));
  show("directory");
  show("sticky");
  DO(mknod("regular", S_IFREG | 0600, 0));
  show("regular");
  DO(open("directory", O_WRONLY));
  char name[300];
  memset(name, 'n', sizeof name);
  name[255] = 0;
  DO(close(open(name, O_WRONLY | O_CREAT, 0600)));
  DO(unlink(name));
  name[255] = 'n';
  name[256] = 0;
  DO(open(name, O_WRONLY | O_CREAT, 0600));
  umask(022);
}

static void changing(void) {
  put("mode", "0123456789");
  DO(chmod("mode", 0640));
  show("mode");
  DO(chmod("mode", 0));
  show("mode");
  DO(chmod("mode", 0644));
  DO(chown("mode", 0, 0));
  DO(truncate("mode", 4));
  get("mode");
  DO(truncate("mode", 6));
  show("mode");
  DO(truncate("directory", 0));
  DO(truncate("none", 0));
  /* Whole seconds: Linux's 9P client cuts the rest off. */
  struct timespec times[2] = {{1000000000, 0}, {1700000000, 0}};
  DO(utimensat(AT_FDCWD, "mode", times, 0));
  struct stat s;
  DO(stat("mode", &s));
  printf("times %ld.%09ld %ld.%09ld\n", s.st_atim.tv_sec, s.st_atim.tv_nsec, s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
  times[0].tv_nsec = UTIME_OMIT;
  times[1].tv_sec = 5;
  times[1].tv_nsec = 0;
  DO(utimensat(AT_FDCWD, "mode", times, 0));
  DO(stat("mode", &s));
  printf("times %ld.%09ld %ld.%09ld\n", s.st_atim.tv_sec, s.st_atim.tv_nsec, s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
}

static void linking(void) {
  put("one", "content");
  DO(link("one", "two"));
  DO(link("one", "two"));
  DO(link("directory", "linked"));
  show("two");
  DO(unlink("one"));
  show("two");
  get("two");
  DO(symlink("two", "link"));
  DO(symlink("two", "link"));
  show("link");
  get("link");
  char target[64] = "";
  DO(readlink("link", target, sizeof target));
  printf("target %s\n", target);
  DO(readlink("two", target, sizeof target));
  DO(symlink("loop", "loop"));
  DO(open("loop", O_RDONLY));
  DO(symlink("nowhere", "dangling"));
  DO(open("dangling", O_RDONLY));
  DO(close(open("dangling", O_WRONLY | O_CREAT, 0600)));
  show("nowhere");
  DO(open("link", O_RDONLY | O_NOFOLLOW));
  DO(unlink("link"));
  show("two");
}

static void renaming(void) {
  put("from", "from");
  put("to", "to");
  int fd = open("to", O_RDWR);
  DO(rename("from", "to"));
  show("from");
  get("to");
  struct stat s;
  DO(fstat(fd, &s));
  char text[8] = "";
  DO(pread(fd, text, 7, 0));
  printf("what was replaced: %s\n", text);
  DO(close(fd));
  DO(rename("none", "x"));
  DO(rename("to", "directory"));
  DO(mkdir("directory/sub", 0755));
  put("directory/sub/file", "deep");
  DO(rename("directory", "moved"));
  get("moved/sub/file");
  DO(rename("moved", "moved/sub/inside"));
  DO(mkdir("full", 0755));
  put("full/file", "");
  DO(rename("moved", "full"));
  DO(rename("moved", "to"));
  DO(link("to", "same"));
  DO(rename("to", "same"));
  show("to");
  show("same");
  DO(rename("moved/sub/file", "up"));
  get("up");
  DO(renameat2(AT_FDCWD, "moved", AT_FDCWD, "directory", 0));
}

static void removing(void) {
  DO(rmdir("full"));
  DO(unlink("full"));
  DO(unlink("full/file"));
  DO(rmdir("full"));
  DO(rmdir("up"));
  DO(unlink("none"));
  put("open", "before");
  int fd = open("open", O_RDWR);
  DO(unlink("open"));
  DO(access("open", F_OK));
  DO(pwrite(fd, "after!!", 7, 0));
  char text[16] = "";
  DO(pread(fd, text, 15, 0));
  printf("without a name: %s\n", text);
  struct stat s;
  DO(fstat(fd, &s));
  printf("size %ld\n", (long)s.st_size);
  DO(ftruncate(fd, 3));
  DO(fstat(fd, &s));
  printf("size %ld\n", (long)s.st_size);
  DO(close(fd));
  DO(mkdir("many", 0755));
  for (int i = 0; i < 500; i++) {
    char name[32];
    sprintf(name, "many/%d", i);
    put(name, "");
  }
  /* Removing what was just read must not make readdir skip anything. */
  DIR *directory = opendir("many");
  int count = 0;
  for (struct dirent *entry; (entry = readdir(directory));) {
    if (entry->d_name[0] == '.') continue;
    count += unlinkat(dirfd(directory), entry->d_name, 0) == 0;
  }
  closedir(directory);
  printf("removed %d\n", count);
  DO(rmdir("many"));
}

static void writing(void) {
  int fd = open("data", O_RDWR | O_CREAT | O_TRUNC, 0644);
  DO(pwrite(fd, "end", 3, 10000));
  DO(lseek(fd, 0, SEEK_END));
  char text[16] = "";
  DO(pread(fd, text, 15, 9999));
  printf("%d %s\n", text[0], text + 1);
  DO(pread(fd, text, 15, 20000));
  DO(fsync(fd));
  DO(fdatasync(fd));
  int one = open("log", O_WRONLY | O_CREAT | O_APPEND, 0644), two = open("log", O_WRONLY | O_APPEND);
  for (int i = 0; i < 3; i++) {
    if (write(one, "one ", 4) != 4 || write(two, "two ", 4) != 4) puts("append failed");
  }
  close(one);
  close(two);
  get("log");
  char *map = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  DO(map == MAP_FAILED);
  memcpy(map + 100, "mapped", 6);
  DO(msync(map, 8192, MS_SYNC));
  DO(munmap(map, 8192));
  DO(pread(fd, text, 6, 100));
  printf("%.6s\n", text);
  DO(close(fd));
  fd = open("sparse", O_RDWR | O_CREAT, 0644);
  DO(ftruncate(fd, 1L << 30));
  DO(pwrite(fd, "x", 1, (1L << 30) - 1));
  DO(lseek(fd, 0, SEEK_END));
  DO(pread(fd, text, 2, (1L << 30) - 2));
  printf("%d %c\n", text[0], text[1]);
  DO(close(fd));
  DO(unlink("sparse"));
  fd = open("file", O_RDONLY);
  DO(write(fd, "x", 1));
  DO(close(fd));
}

static int in_child(int (*what)(void)) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) _exit(what());
  int status;
  waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

static int try_flock(void) { return flock(open("locked", O_RDWR), LOCK_EX | LOCK_NB) == 0 ? 0 : errno; }

static int try_record(void) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 15, .l_len = 1};
  return fcntl(open("locked", O_RDWR), F_SETLK, &lock) == 0 ? 0 : errno;
}

static void locking(void) {
  put("locked", "");
  int fd = open("locked", O_RDWR);
  DO(flock(fd, LOCK_EX));
  printf("flock of another: %s\n", strerror(in_child(try_flock)));
  DO(flock(fd, LOCK_UN));
  printf("flock of another: %s\n", strerror(in_child(try_flock)));
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10};
  DO(fcntl(fd, F_SETLK, &lock));
  printf("record lock of another: %s\n", strerror(in_child(try_record)));
  lock.l_type = F_UNLCK;
  DO(fcntl(fd, F_SETLK, &lock));
  printf("record lock of another: %s\n", strerror(in_child(try_record)));
  DO(close(fd));
}

/* Random reads, writes, cuts and mappings of one file, compared with a copy in memory. */
static void exercising(void) {
  enum { SIZE = 1 << 18, OPERATIONS = 400 };
  static unsigned char model[SIZE], seen[SIZE];
  long length = 0;
  unsigned seed = 12345;
  int fd = open("exercised", O_RDWR | O_CREAT | O_TRUNC, 0644);
  for (int i = 0; i < OPERATIONS; i++) {
    long offset = rand_r(&seed) % SIZE, count = 1 + rand_r(&seed) % 40000;
    if (offset + count > SIZE) count = SIZE - offset;
    switch (rand_r(&seed) % 5) {
      case 0:
      case 1:
        for (long k = 0; k < count; k++) seen[k] = rand_r(&seed);
        if (offset > length) memset(model + length, 0, offset - length);
        memcpy(model + offset, seen, count);
        if (pwrite(fd, seen, count, offset) != count) printf("write %d failed\n", i);
        if (offset + count > length) length = offset + count;
        break;
      case 2:
        if (ftruncate(fd, offset) < 0) printf("cut %d failed\n", i);
        if (offset > length) memset(model + length, 0, offset - length);
        length = offset;
        break;
      case 3: {
        long got = pread(fd, seen, count, offset), expected = offset >= length ? 0 : length - offset;
        if (expected > count) expected = count;
        if (got != expected || memcmp(seen, model + offset, got)) printf("read %d differs: %ld of %ld\n", i, got, expected);
        break;
      }
      default: {
        if (length == 0) break;
        unsigned char *map = mmap(0, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (memcmp(map, model, length)) printf("mapping %d differs\n", i);
        long at = offset % length;
        map[at] = model[at] = i;
        msync(map, length, MS_SYNC);
        munmap(map, length);
      }
    }
  }
  printf("exercised, %ld bytes\n", length);
  close(fd);
}

int main(void) {
  creating();
  changing();
  linking();
  renaming();
  removing();
  writing();
  locking();
  exercising();
  return 0;
}
