/*
 * Reads or writes /dev/vda, past the guest's page cache. What it does is chosen when it is compiled:
 *
 *   DISK_NAME    how it calls itself
 *   DISK_WRITE   0: reads, 1: writes, and makes it stable at the end
 *   DISK_DEPTH   requests under way at a time
 *   DISK_BLOCK   bytes of a request
 *   DISK_COUNT   requests
 *   DISK_RANDOM  0: one behind the other, 1: anywhere
 *
 * Each block of 4 KiB on the disk begins with its number; a write leaves that as it is.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE_BYTES 4096u

static struct iocb requests[DISK_DEPTH];
static char *buffers[DISK_DEPTH];
static int disk;
static uint64_t block_count;
static uint64_t random_state = 88172645463325252u;
static bool is_right = true;

static uint64_t block_of(uint32_t n) {
  return DISK_RANDOM ? bench_random(&random_state) % block_count : n % block_count;
}

/* Numbers of the pages in a buffer: written for a write, compared after a read. */
static void number_pages(char *buffer, uint64_t block, bool write) {
  for (uint32_t page = 0; page < DISK_BLOCK / PAGE_BYTES; page++) {
    uint64_t number = block * (DISK_BLOCK / PAGE_BYTES) + page;
    char *start = buffer + (size_t)page * PAGE_BYTES;
    if (write) memcpy(start, &number, sizeof number);
    else if (memcmp(start, &number, sizeof number) != 0) is_right = false;
  }
}

static void submit(aio_context_t context, uint32_t slot, uint32_t n) {
  uint64_t block = block_of(n);
  struct iocb *request = &requests[slot];
  memset(request, 0, sizeof *request);
  request->aio_data = slot;
  request->aio_lio_opcode = DISK_WRITE ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
  request->aio_fildes = (uint32_t)disk;
  request->aio_buf = (uint64_t)(uintptr_t)buffers[slot];
  request->aio_nbytes = DISK_BLOCK;
  request->aio_offset = (int64_t)(block * DISK_BLOCK);
  if (DISK_WRITE) number_pages(buffers[slot], block, true);
  if (syscall(SYS_io_submit, context, 1L, &request) != 1) bench_fail("io_submit");
}

static void complete(const struct io_event *event) {
  uint32_t slot = (uint32_t)event->data;
  if (event->res != DISK_BLOCK) {
    errno = event->res < 0 ? (int)-event->res : EIO;
    bench_fail("a request");
  }
  if (!DISK_WRITE) number_pages(buffers[slot], (uint64_t)requests[slot].aio_offset / DISK_BLOCK, false);
}

static void run(aio_context_t context) {
  struct io_event events[DISK_DEPTH];
  uint32_t submitted = 0, completed = 0;
  for (; submitted < DISK_DEPTH && submitted < DISK_COUNT; submitted++) submit(context, submitted, submitted);
  while (completed < DISK_COUNT) {
    long count = syscall(SYS_io_getevents, context, 1L, (long)DISK_DEPTH, events, NULL);
    if (count < 1) bench_fail("io_getevents");
    for (long n = 0; n < count; n++, completed++) {
      complete(&events[n]);
      if (submitted < DISK_COUNT) submit(context, (uint32_t)events[n].data, submitted++);
    }
  }
  if (DISK_WRITE && fsync(disk) != 0) bench_fail("fsync");
}

int main(void) {
  aio_context_t context = 0;
  uint64_t byte_length;
  disk = open("/dev/vda", (DISK_WRITE ? O_RDWR : O_RDONLY) | O_DIRECT);
  if (disk < 0) bench_fail("/dev/vda");
  if (ioctl(disk, BLKGETSIZE64, &byte_length) != 0) bench_fail("its size");
  block_count = byte_length / DISK_BLOCK;
  for (uint32_t slot = 0; slot < DISK_DEPTH; slot++) {
    buffers[slot] = aligned_alloc(PAGE_BYTES, DISK_BLOCK);
    if (buffers[slot] == NULL) bench_fail("memory");
    memset(buffers[slot], (int)slot, DISK_BLOCK);
  }
  if (syscall(SYS_io_setup, (long)DISK_DEPTH, &context) != 0) bench_fail("io_setup");
  bench_start();
  run(context);
  bench_stop(DISK_NAME);
  if (DISK_RANDOM) return bench_report(DISK_NAME, DISK_COUNT, "requests", is_right);
  return bench_report(DISK_NAME, (double)DISK_BLOCK * DISK_COUNT, "B", is_right);
}
