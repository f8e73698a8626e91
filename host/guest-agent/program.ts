/**
 * The agent: a program of 3 KB for any 64-bit RISC-V Linux, without libraries. It speaks `protocol.ts` on its standard
 * input, which is open for writing too; called with an argument, it serves system calls: `system-calls.ts`.
 *
 * One thread waits for the port, its processes' pipes and SIGCHLD in one epoll. It never waits for a process: pipes are
 * non-blocking, and each is armed for one event at a time (EPOLLONESHOT), which is armed again when there is room for
 * more. It does wait for the host, which takes whatever it is sent.
 */
import { assemble } from "../../assembly/isa/assemble.js";
import { utf8 } from "../util/bytes.js";
import { elfProgram } from "./elf-program.js";
import * as protocol from "./protocol.js";
import { REQUEST_BYTE_LENGTH, SCRATCH_BYTE_LENGTH } from "./system-calls.js";

const TEXT = 0x10000;
const DATA = 0x400000;

/** Linux's numbers for riscv64: include/uapi/asm-generic/unistd.h and the headers of each call. */
const LINUX = {
  EPOLL_CREATE1: 20,
  EPOLL_CTL: 21,
  EPOLL_PWAIT: 22,
  DUP3: 24,
  FCNTL: 25,
  IOCTL: 29,
  CHDIR: 49,
  OPENAT: 56,
  CLOSE: 57,
  PIPE2: 59,
  READ: 63,
  WRITE: 64,
  SIGNALFD4: 74,
  EXIT_GROUP: 94,
  NANOSLEEP: 101,
  KILL: 129,
  RT_SIGACTION: 134,
  RT_SIGPROCMASK: 135,
  SETSID: 157,
  MUNMAP: 215,
  CLONE: 220,
  EXECVE: 221,
  MMAP: 222,
  WAIT4: 260,
  PRLIMIT64: 261,

  ENOENT: 2,
  EINTR: 4,
  EAGAIN: 11,
  EACCES: 13,
  ENOTDIR: 20,
  EINVAL: 22,
  AT_FDCWD: -100,
  O_RDWR: 2,
  O_NOCTTY: 0x100,
  O_NONBLOCK: 0x800,
  O_CLOEXEC: 0x80000,
  F_SETFL: 4,
  F_DUPFD_CLOEXEC: 1030,
  TIOCSCTTY: 0x540e,
  TIOCSWINSZ: 0x5414,
  TIOCGPTPEER: 0x5441,
  TIOCSPTLCK: 0x40045431,
  EPOLL_CTL_ADD: 1,
  EPOLL_CTL_MOD: 3,
  EPOLLIN: 1,
  EPOLLOUT: 4,
  EPOLLONESHOT: 1 << 30,
  SIG_SETMASK: 2,
  SIGCHLD: 17,
  SIGNAL_COUNT: 64,
  RLIMIT_NOFILE: 7,
  CLONE_VM: 0x100,
  CLONE_VFORK: 0x4000,
  WNOHANG: 1,
  PROT_READ_WRITE: 3,
  MAP_PRIVATE_ANONYMOUS: 0x22,
};

const {
  HELLO,
  STRINGS,
  START,
  INPUT,
  ROOM,
  SIGNAL,
  QUIT,
  RESIZE,
  WELCOME,
  STARTED,
  FAILED,
  STDOUT,
  EXITED,
  TAKEN,
  UNREAD,
  STAGE_RESOURCES,
  STAGE_DIRECTORY,
  STAGE_PROGRAM,
  STAGE_TERMINAL,
  AGENT_PROTOCOL_VERSION,
  PAYLOAD_MAX,
  WINDOW,
  HELLO_BYTE_LENGTH,
  STRINGS_MAX,
} = protocol;
const PROTOCOL = {
  HELLO,
  STRINGS,
  START,
  INPUT,
  ROOM,
  SIGNAL,
  QUIT,
  RESIZE,
  WELCOME,
  STARTED,
  FAILED,
  STDOUT,
  EXITED,
  TAKEN,
  UNREAD,
  STAGE_RESOURCES,
  STAGE_DIRECTORY,
  STAGE_PROGRAM,
  STAGE_TERMINAL,
  AGENT_PROTOCOL_VERSION,
  PAYLOAD_MAX,
  WINDOW,
  HELLO_BYTE_LENGTH,
  STRINGS_MAX,
  HEADER: protocol.HEADER_BYTE_LENGTH,
};

/** One process. A slot without flags is free; one whose id is 0 is not the host's: what it writes is lost. */
const SLOT = {
  SLOT_ID: 0,
  SLOT_PID: 4,
  /** stdin's write end, stdout's and stderr's read ends; -1 when closed. Of a terminal, its own end in place of the first two. */
  SLOT_FDS: 8,
  SLOT_FLAGS: 20,
  /** What of each stream may still be sent; that of stdin is unused. */
  SLOT_ROOM: 24,
  SLOT_STATUS: 36,
  /** Input that the pipe had no room for: where it is, where in there it begins, how long it is. */
  SLOT_BUFFER: 40,
  SLOT_BUFFER_START: 48,
  SLOT_BUFFER_LENGTH: 52,
  SLOT_BYTES: 64,
  /** Three descriptors each have to stay below the usual hard limit of 4096. */
  SLOT_COUNT: 1024,

  IN_USE: 1,
  HAS_EXITED: 2,
  /** Stdin is to be closed when the buffer is empty. */
  CLOSE_INPUT: 4,
  /** Shifted left by the stream, 1 or 2: the host has been told its end. */
  HAS_ENDED: 8,
  ALL_ENDED: 16 + 32,
  HAS_TERMINAL: 64,
};

/** Where things are in zeroed memory; what is not touched takes none. */
const MEMORY = layout(DATA, {
  EVENTS: 64 * 16,
  /** For system calls: an epoll_event, a signal set, a pair of descriptors. */
  WORK: 64,
  SIGNALS: 128,
  ZEROS: 64,
  USUAL_LIMIT: 16,
  /** The two ends of stdin, stdout and stderr: that to read from, that to write to. */
  PIPES: 24,
  START_ERROR: 4,
  START_STAGE: 4,
  ARGUMENTS: 8,
  ENVIRONMENT: 8,
  STRINGS_LENGTH: 8,
  RECEIVED: 64 * 1024,
  TO_SEND: 32 * 1024,
  SLOTS: SLOT.SLOT_BYTES * SLOT.SLOT_COUNT,
  SLOTS_END: 0,
  STRING_BYTES: STRINGS_MAX,
  /** Pointers to the strings, with a null after arguments and environment. */
  POINTERS: 8 * (STRINGS_MAX + 8),
  REQUEST: REQUEST_BYTE_LENGTH,
  REPLY: 8,
  SCRATCH: SCRATCH_BYTE_LENGTH,
});

const ENTER = "addi sp, sp, -16; sd ra, 0(sp)";
const LEAVE = "ld ra, 0(sp); addi sp, sp, 16; ret";

/**
 * Linux's system calls change a0 only. Kept by everybody: s0 epoll, s1 signalfd, s2 how much of RECEIVED is there,
 * s3 the event, s4 the end of the events, s5 the frame, s6 the end of what is received, s7 the slot, s8 the stream,
 * s10 the next frame. s9 and s11 are free within a handler.
 */
const SOURCE = `
start:
  ld t0, 0(sp)                            # argc
  li t1, 2
  blt t0, t1, 1f
  j serve_system_calls

1:li a7, SETSID; ecall
  # Nobody's signals concern the agent. SIGCHLD is read; SIGPIPE stays pending, and write says EPIPE.
  li a1, WORK; li t0, -1; sd t0, 0(a1)
  li a0, SIG_SETMASK; li a2, 0; li a3, 8; li a7, RT_SIGPROCMASK; ecall
  # A shell starts background jobs with signals ignored, and processes would inherit that.
  li s9, SIGNAL_COUNT
1:mv a0, s9; li a1, ZEROS; li a2, 0; li a3, 8; li a7, RT_SIGACTION; ecall
  addi s9, s9, -1
  bnez s9, 1b
  # As many descriptors as there may be; processes get the usual limit.
  li a0, 0; li a1, RLIMIT_NOFILE; li a2, 0; li a3, USUAL_LIMIT; li a7, PRLIMIT64; ecall
  li a2, WORK
  li t0, USUAL_LIMIT; ld t1, 8(t0); sd t1, 0(a2); sd t1, 8(a2)
  li a0, 0; li a3, 0; ecall

  li a1, WORK; li t0, 1; slli t0, t0, SIGCHLD-1; sd t0, 0(a1)
  li a0, -1; li a2, 8; li a3, O_CLOEXEC+O_NONBLOCK; li a7, SIGNALFD4; ecall
  bltz a0, fail
  mv s1, a0
  li a0, O_CLOEXEC; li a7, EPOLL_CREATE1; ecall
  bltz a0, fail
  mv s0, a0
  # An event's data: 0 the port, 1 signals, else slot + stream.
  li a2, 0; li t1, 0; call watch
  mv a2, s1; li t1, 1; call watch
  li s2, 0

next_events:
  mv a0, s0; li a1, EVENTS; li a2, 64; li a3, -1; li a4, 0; li a5, 8; li a7, EPOLL_PWAIT; ecall
  blez a0, next_events
  li s3, EVENTS
  slli a0, a0, 4
  add s4, s3, a0
1:ld t0, 8(s3)
  bnez t0, 2f
  call read_port
  j 5f
2:li t1, 1
  bne t0, t1, 3f
  call reap
  j 5f
3:andi s8, t0, 3
  sub s7, t0, s8
  beqz s8, 4f
  call pump
  j 5f
4:call flush_input
5:addi s3, s3, 16
  bltu s3, s4, 1b
  j next_events

fail:
  li a0, 1
exit:
  li a7, EXIT_GROUP; ecall

# a2 descriptor, t1 data: waits for it to be readable
watch:
  li a3, WORK; li t0, EPOLLIN; sw t0, 0(a3); sd t1, 8(a3)
  mv a0, s0; li a1, EPOLL_CTL_ADD; li a7, EPOLL_CTL; ecall
  bltz a0, fail
  ret

# ---- frames ----

read_port:
  ${ENTER}
  li a1, RECEIVED
  add a1, a1, s2
  li a2, RECEIVED_BYTES
  sub a2, a2, s2
  li a0, 0; li a7, READ; ecall
  beqz a0, host_gone
  bgtz a0, 1f
  li t0, -EINTR; beq a0, t0, 9f
  li t0, -EAGAIN; beq a0, t0, 9f
  j fail
1:add s2, s2, a0
  li s5, RECEIVED
  add s6, s5, s2
2:sub t0, s6, s5
  li t1, HEADER
  bltu t0, t1, 3f
  lwu t2, 8(s5)
  li t1, PAYLOAD_MAX
  bgtu t2, t1, fail
  addi t2, t2, HEADER
  bltu t0, t2, 3f
  add s10, s5, t2
  call handle_frame
  mv s5, s10
  j 2b
3:mv s2, t0                               # the beginning of a frame goes to the front
  li a0, RECEIVED
  mv a1, s5
  mv a2, t0
  call copy
9:${LEAVE}

# The host has closed its end, so there is nothing to wait for: looks again after a while.
host_gone:
  li s2, 0
  call forget_processes
  li a0, WORK; sd zero, 0(a0); li t0, 50000000; sd t0, 8(a0)
  li a1, 0; li a7, NANOSLEEP; ecall
  ${LEAVE}

# s5 the frame
handle_frame:
  ${ENTER}
  lw t0, 0(s5)
  li t1, HELLO; beq t0, t1, on_hello
  li t1, STRINGS; beq t0, t1, on_strings
  li t1, START; beq t0, t1, on_start
  li t1, QUIT; beq t0, t1, on_quit
  # The rest are for a process, which may be gone by now.
  lw a0, 4(s5)
  call find_process
  beqz s7, 1f
  lw t0, 0(s5)
  li t1, INPUT; beq t0, t1, on_input
  li t1, ROOM; beq t0, t1, on_room
  li t1, SIGNAL; beq t0, t1, on_signal
  li t1, RESIZE; beq t0, t1, on_resize
1:${LEAVE}

on_quit:
  li a0, 0
  j exit

on_hello:
  call forget_processes
  li t0, STRINGS_LENGTH; sd zero, 0(t0)
  li a0, TO_SEND+HEADER
  addi a1, s5, HEADER
  li a2, HELLO_BYTE_LENGTH
  call copy
  li a0, WELCOME; li a1, AGENT_PROTOCOL_VERSION; li a2, HELLO_BYTE_LENGTH
  call send
  ${LEAVE}

# Strings beyond what there is room for are left out: START then finds too few.
on_strings:
  li t0, STRINGS_LENGTH
  ld t1, 0(t0)
  lwu a2, 8(s5)
  add t2, t1, a2
  li t3, STRINGS_MAX
  bgtu t2, t3, 1f
  sd t2, 0(t0)
  li a0, STRING_BYTES
  add a0, a0, t1
  addi a1, s5, HEADER
  call copy
1:${LEAVE}

# s7 slot: more of an output may come
on_room:
  lwu s8, HEADER(s5)
  addi t0, s8, -1
  li t1, 1
  bgtu t0, t1, fail
  lw t2, HEADER+4(s5)
  slli t0, s8, 2
  add t0, t0, s7
  lw t1, SLOT_ROOM(t0)
  add t1, t1, t2
  sw t1, SLOT_ROOM(t0)
  call pump
  ${LEAVE}

# s7 slot. The number of a process that has been waited for may be another's by now.
on_signal:
  lw t0, SLOT_FLAGS(s7)
  andi t0, t0, HAS_EXITED
  bnez t0, 1f
  lw a0, SLOT_PID(s7)
  lw a1, HEADER(s5)
  lw t0, HEADER+4(s5)
  beqz t0, 2f
  neg a0, a0
2:li a7, KILL; ecall
1:${LEAVE}

# s7 slot. Pipes have no size, which the kernel says.
on_resize:
  lw a0, SLOT_FDS+4(s7)
  addi t1, s5, HEADER
  call set_size
  ${LEAVE}

# a0 terminal, t1 where its columns and rows are: a struct winsize
set_size:
  li a2, WORK
  lw t2, 4(t1); sh t2, 0(a2)
  lw t2, 0(t1); sh t2, 2(a2)
  sw zero, 4(a2)
  li a1, TIOCSWINSZ; li a7, IOCTL; ecall
  ret

# a0 type, a1 process, a2 payload length; the payload is in TO_SEND+HEADER
send:
  li t0, TO_SEND
  sw a0, 0(t0); sw a1, 4(t0); sw a2, 8(t0)
  addi t1, a2, HEADER
1:li a0, 0; mv a1, t0; mv a2, t1; li a7, WRITE; ecall
  blez a0, 2f
  add t0, t0, a0
  sub t1, t1, a0
  bnez t1, 1b
  ret
2:li t2, -EINTR; beq a0, t2, 1b
  j fail

# a0 type, a1 process, a2 the only number of the payload
send_number:
  li t0, TO_SEND
  sw a2, HEADER(t0)
  li a2, 4
  j send

# a0 to, a1 from, a2 byte length; forward
copy:
  li t6, 8
1:bltu a2, t6, 2f
  ld t5, 0(a1)
  sd t5, 0(a0)
  addi a0, a0, 8
  addi a1, a1, 8
  addi a2, a2, -8
  j 1b
2:beqz a2, 3f
  lbu t5, 0(a1)
  sb t5, 0(a0)
  addi a0, a0, 1
  addi a1, a1, 1
  addi a2, a2, -1
  j 2b
3:ret

# ---- processes ----

# a0 the host's number: s7 the slot, or 0
find_process:
  li s7, SLOTS
  li t1, SLOTS_END
1:lw t0, SLOT_ID(s7)
  beq t0, a0, 2f
  addi s7, s7, SLOT_BYTES
  bltu s7, t1, 1b
  li s7, 0
2:ret

# s7 slot, a1 stream
close_stream:
  slli t0, a1, 2
  add t0, t0, s7
  lw a0, SLOT_FDS(t0)
  bltz a0, 1f
  li t1, -1
  sw t1, SLOT_FDS(t0)
  li a7, CLOSE; ecall
1:ret

# a0 EPOLL_CTL_, s7 slot, a1 stream, a2 events: the next of them is told. An end is told at any rate.
arm:
  li a3, WORK
  li t0, EPOLLONESHOT
  or a2, a2, t0
  sw a2, 0(a3)
  add t0, s7, a1
  sd t0, 8(a3)
  slli t0, a1, 2
  add t0, t0, s7
  lw a2, SLOT_FDS(t0)
  mv a1, a0; mv a0, s0; li a7, EPOLL_CTL; ecall
  ret

# Processes go on, without input and without anybody to read what they write.
forget_processes:
  ${ENTER}
  li s7, SLOTS
1:lw t0, SLOT_ID(s7)
  beqz t0, 2f
  call forget
2:addi s7, s7, SLOT_BYTES
  li t0, SLOTS_END
  bltu s7, t0, 1b
  ${LEAVE}

# s7 slot
forget:
  ${ENTER}
  sw zero, SLOT_ID(s7)
  call close_input
  li a1, 1
  lw t0, SLOT_FLAGS(s7)
  andi t0, t0, HAS_TERMINAL
  beqz t0, 1f
  call close_stream                       # it hangs up
  j 2f
1:call discard
  li a1, 2
  call discard
2:call free_if_done
  ${LEAVE}

# s7 slot, a1 stream: what comes, pump throws away
discard:
  slli t0, a1, 2
  add t0, t0, s7
  lw t0, SLOT_FDS(t0)
  bltz t0, 1f
  li a0, EPOLL_CTL_MOD; li a2, EPOLLIN
  j arm
1:ret

# s7 slot: ends with its process and the last of its pipes
free_if_done:
  lw t0, SLOT_FLAGS(s7)
  andi t0, t0, HAS_EXITED
  beqz t0, 1f
  lw t0, SLOT_ID(s7)
  bnez t0, 1f
  lw t0, SLOT_FDS+4(s7)
  bgez t0, 1f
  lw t0, SLOT_FDS+8(s7)
  bgez t0, 1f
  sw zero, SLOT_FLAGS(s7)
1:ret

# s7 slot, s8 stream (1 or 2): sends what there is and room for, or throws it away
pump:
  ${ENTER}
1:slli t3, s8, 2
  add t3, t3, s7                          # with SLOT_FDS and SLOT_ROOM, the stream's own
  lw t4, SLOT_ID(s7)
  lw a0, SLOT_FDS(t3)
  bltz a0, 9f
  li a2, PAYLOAD_MAX
  beqz t4, 2f
  lw t0, SLOT_FLAGS(s7)
  srl t0, t0, s8
  andi t0, t0, HAS_ENDED
  bnez t0, 9f
  lwu t0, SLOT_ROOM(t3)
  beqz t0, 9f
  bgeu t0, a2, 2f
  mv a2, t0
2:li a1, TO_SEND+HEADER; li a7, READ; ecall
  bgtz a0, 4f
  li t0, -EAGAIN
  bne a0, t0, 3f
  # Empty. That is the end of it if the process has ended, else there will be more.
  lw t0, SLOT_FLAGS(s7)
  andi t0, t0, HAS_EXITED
  beqz t0, 6f
  beqz t4, 6f
  call end_stream
  j 9f
3:mv a1, s8
  call close_stream
  call end_stream
  j 9f
4:beqz t4, 6f
  lw t0, SLOT_ROOM(t3)
  subw t0, t0, a0
  sw t0, SLOT_ROOM(t3)
  mv a2, a0
  mv a1, t4
  addi a0, s8, STDOUT-1
  call send
  # One read an event, so that each has its turn; but of a process that has ended, all.
  lw t0, SLOT_FLAGS(s7)
  andi t0, t0, HAS_EXITED
  bnez t0, 1b
6:li a0, EPOLL_CTL_MOD; mv a1, s8; li a2, EPOLLIN
  call arm
9:${LEAVE}

# s7 slot, s8 stream: tells its end once
end_stream:
  ${ENTER}
  li t0, HAS_ENDED
  sll t0, t0, s8
  lw t1, SLOT_FLAGS(s7)
  and t2, t1, t0
  bnez t2, 1f
  or t1, t1, t0
  sw t1, SLOT_FLAGS(s7)
  lw a1, SLOT_ID(s7)
  beqz a1, 1f
  addi a0, s8, STDOUT-1
  li a2, 0
  call send
1:call conclude
  ${LEAVE}

# s7 slot: EXITED, when the process and both outputs have ended
conclude:
  ${ENTER}
  lw t0, SLOT_FLAGS(s7)
  andi t1, t0, HAS_EXITED
  beqz t1, 9f
  lw a1, SLOT_ID(s7)
  beqz a1, 1f
  andi t1, t0, ALL_ENDED
  li t2, ALL_ENDED
  bne t1, t2, 9f
  lw a2, SLOT_STATUS(s7)
  li a0, EXITED
  call send_number
  call forget
  j 9f
1:call free_if_done
9:${LEAVE}

reap:
  ${ENTER}
  mv a0, s1; li a1, SIGNALS; li a2, 128; li a7, READ; ecall
1:li a0, -1; li a1, WORK; li a2, WNOHANG; li a3, 0; li a7, WAIT4; ecall
  blez a0, 9f
  li s7, SLOTS
  li t1, SLOTS_END
2:lw t0, SLOT_PID(s7)
  beq t0, a0, 3f
  addi s7, s7, SLOT_BYTES
  bltu s7, t1, 2b
  j 1b                                    # one that was left to us by a process
3:lw t0, SLOT_FLAGS(s7)
  andi t1, t0, IN_USE+HAS_EXITED
  li t2, IN_USE
  bne t1, t2, 1b
  ori t0, t0, HAS_EXITED
  sw t0, SLOT_FLAGS(s7)
  li t0, WORK
  lw t0, 0(t0)
  sw t0, SLOT_STATUS(s7)
  sw zero, SLOT_PID(s7)
  li s8, 1
  call pump
  li s8, 2
  call pump
  call conclude
  j 1b
9:${LEAVE}

# ---- standard input ----

# s7 slot, s5 frame
on_input:
  lw a0, SLOT_FDS(s7)
  bltz a0, 9f
  addi s9, s5, HEADER
  lwu s11, 8(s5)
  beqz s11, 5f
  lw t0, SLOT_BUFFER_LENGTH(s7)
  bnez t0, 3f
  mv a1, s9; mv a2, s11; li a7, WRITE; ecall
  bgez a0, 1f
  li t0, -EAGAIN
  bne a0, t0, 8f
  li a0, 0
1:add s9, s9, a0
  sub s11, s11, a0
  beqz a0, 2f
  call taken
2:beqz s11, 9f
3:call keep_input
  li a0, EPOLL_CTL_MOD; li a1, 0; li a2, EPOLLOUT
  call arm
  j 9f
5:lw t0, SLOT_BUFFER_LENGTH(s7)
  beqz t0, 6f
  lw t0, SLOT_FLAGS(s7)
  ori t0, t0, CLOSE_INPUT
  sw t0, SLOT_FLAGS(s7)
  j 9f
6:call close_input
  j 9f
8:call lose_input
9:${LEAVE}

# s7 slot, a0 byte length
taken:
  mv a2, a0
  lw a1, SLOT_ID(s7)
  li a0, TAKEN
  j send_number

# s7 slot, s9 and s11 bytes: behind those that wait. The host sends no more than WINDOW; the buffer is twice that, so
# that bytes are seldom moved.
keep_input:
  ${ENTER}
  ld a0, SLOT_BUFFER(s7)
  bnez a0, 1f
  li a0, 0; li a1, WINDOW*2; li a2, PROT_READ_WRITE; li a3, MAP_PRIVATE_ANONYMOUS; li a4, -1; li a5, 0
  li a7, MMAP; ecall
  bltz a0, fail
  sd a0, SLOT_BUFFER(s7)
  sw zero, SLOT_BUFFER_START(s7)
1:lwu t0, SLOT_BUFFER_LENGTH(s7)
  add t1, t0, s11
  li t2, WINDOW
  bgtu t1, t2, fail
  sw t1, SLOT_BUFFER_LENGTH(s7)
  lwu t3, SLOT_BUFFER_START(s7)
  add t1, t1, t3
  li t2, WINDOW*2
  bleu t1, t2, 2f
  add a1, a0, t3
  mv a2, t0
  call copy
  sw zero, SLOT_BUFFER_START(s7)
  li t3, 0
  ld a0, SLOT_BUFFER(s7)
2:add a0, a0, t3
  add a0, a0, t0
  mv a1, s9
  mv a2, s11
  call copy
  ${LEAVE}

# s7 slot: the pipe has room for what waits, or has lost its reader
flush_input:
  ${ENTER}
  lw a0, SLOT_FDS(s7)
  bltz a0, 9f
  lwu a2, SLOT_BUFFER_LENGTH(s7)
  beqz a2, 8f
  ld a1, SLOT_BUFFER(s7)
  lwu t0, SLOT_BUFFER_START(s7)
  add a1, a1, t0
  li a7, WRITE; ecall
  li t1, -EAGAIN
  beq a0, t1, 1f
  blez a0, 8f
  add t0, t0, a0
  sw t0, SLOT_BUFFER_START(s7)
  sub a2, a2, a0
  sw a2, SLOT_BUFFER_LENGTH(s7)
  call taken
  lw t0, SLOT_BUFFER_LENGTH(s7)
  bnez t0, 1f
  sw zero, SLOT_BUFFER_START(s7)
  lw t0, SLOT_FLAGS(s7)
  andi t0, t0, CLOSE_INPUT
  bnez t0, 2f
  li a0, EPOLL_CTL_MOD; li a1, 0; li a2, 0
  call arm
  j 9f
1:li a0, EPOLL_CTL_MOD; li a1, 0; li a2, EPOLLOUT
  call arm
  j 9f
2:call close_input
  j 9f
8:call lose_input
9:${LEAVE}

# s7 slot
lose_input:
  ${ENTER}
  call close_input
  lw a1, SLOT_ID(s7)
  beqz a1, 1f
  li a0, UNREAD
  li a2, 0
  call send
1:${LEAVE}

# s7 slot
close_input:
  ${ENTER}
  li a1, 0
  call close_stream
  ld a0, SLOT_BUFFER(s7)
  beqz a0, 1f
  li a1, WINDOW*2; li a7, MUNMAP; ecall
  sd zero, SLOT_BUFFER(s7)
1:sw zero, SLOT_BUFFER_LENGTH(s7)
  ${LEAVE}

# ---- START ----

# s5 frame; s8 the host's number, s9 errno
on_start:
  lw s8, 4(s5)
  li t0, STAGE_RESOURCES
  li t1, START_STAGE; sw t0, 0(t1)
  li s9, EINVAL
  call split_strings
  beqz a0, start_failed
  li s9, EAGAIN
  li s7, SLOTS
  li t1, SLOTS_END
1:lw t0, SLOT_FLAGS(s7)
  beqz t0, 2f
  addi s7, s7, SLOT_BYTES
  bltu s7, t1, 1b
  j start_failed
2:lwu t0, HEADER+12(s5)
  bnez t0, 3f
  call open_pipes
  j 4f
3:li t0, STAGE_TERMINAL
  li t1, START_STAGE; sw t0, 0(t1)
  call open_terminal
4:neg s9, a0
  bnez a0, start_failed
  li t0, START_ERROR; sw zero, 0(t0)
  # The child runs in our memory, on our stack, while we wait until it executes another program or exits.
  li a0, CLONE_VM+CLONE_VFORK+SIGCHLD; li a1, 0; li a2, 0; li a3, 0; li a4, 0; li a7, CLONE; ecall
  beqz a0, child
  mv s11, a0
  # The child's ends: stdin's read end, the others' write ends.
  li t0, PIPES
  lw a0, 0(t0); li a7, CLOSE; ecall
  lw a0, 12(t0); ecall
  lw a0, 20(t0); ecall
  neg s9, s11
  bltz s11, close_our_ends
  li t0, START_ERROR
  lw s9, 0(t0)
  bnez s9, wait_for_child

  sw s8, SLOT_ID(s7)
  sw s11, SLOT_PID(s7)
  li t0, IN_USE
  lwu t1, HEADER+12(s5)
  beqz t1, 1f
  li t0, IN_USE+HAS_TERMINAL
1:sw t0, SLOT_FLAGS(s7)
  li t0, WINDOW
  sw t0, SLOT_ROOM+4(s7)
  sw t0, SLOT_ROOM+8(s7)
  sd zero, SLOT_BUFFER(s7)
  sd zero, SLOT_BUFFER_START(s7)
  li t0, PIPES
  lw t1, 4(t0); sw t1, SLOT_FDS(s7)
  lw t1, 8(t0); sw t1, SLOT_FDS+4(s7)
  lw t1, 16(t0); sw t1, SLOT_FDS+8(s7)
  mv a2, s11
  mv a1, s8
  li a0, STARTED
  call send_number
  li a1, 0; li a2, 0; call begin_stream
  li a1, 1; li a2, EPOLLIN; call begin_stream
  lw t0, SLOT_FLAGS(s7)
  andi t0, t0, HAS_TERMINAL
  bnez t0, 1f
  li a1, 2; li a2, EPOLLIN; call begin_stream
  ${LEAVE}
1:li s8, 2
  call end_stream
  ${LEAVE}

wait_for_child:
  mv a0, s11; li a1, 0; li a2, 0; li a3, 0; li a7, WAIT4; ecall
close_our_ends:
  li t0, PIPES
  lw a0, 4(t0); li a7, CLOSE; ecall
  lw a0, 8(t0); ecall
  lw a0, 16(t0); ecall
start_failed:
  li t0, TO_SEND
  sw s9, HEADER(t0)
  li t1, START_STAGE
  lw t1, 0(t1)
  sw t1, HEADER+4(t0)
  li a0, FAILED
  mv a1, s8
  li a2, 8
  call send
  ${LEAVE}

# s7 slot, a1 stream, a2 events
begin_stream:
  slli t0, a1, 2
  add t0, t0, s7
  mv t1, a1
  mv t2, a2
  lw a0, SLOT_FDS(t0); li a1, F_SETFL; li a2, O_NONBLOCK; li a7, FCNTL; ecall
  mv a1, t1
  mv a2, t2
  li a0, EPOLL_CTL_ADD
  j arm

# PIPES: read and write end of stdin's, stdout's and stderr's. a0 0, or a negative errno and none is open
open_pipes:
  li t0, PIPES
  addi t1, t0, 24
1:mv a0, t0; li a1, O_CLOEXEC; li a7, PIPE2; ecall
  bltz a0, 2f
  addi t0, t0, 8
  bltu t0, t1, 1b
  ret
2:mv t2, a0
  li t1, PIPES
  li a7, CLOSE
3:bgeu t1, t0, 4f
  lw a0, 0(t1); ecall
  addi t1, t1, 4
  j 3b
4:mv a0, t2
  ret

# s5 frame: the same with a terminal of the frame's size. Ours are stdin's and stdout's ends of it and none of stderr, the
# child's are three of the other.
open_terminal:
  ${ENTER}
  li t0, PIPES
  li t1, -1
  sd t1, 0(t0); sd t1, 8(t0); sd t1, 16(t0)
  li a0, AT_FDCWD; la a1, ptmx; li a2, O_RDWR+O_NOCTTY+O_CLOEXEC; li a3, 0; li a7, OPENAT; ecall
  sw a0, 4(t0)
  bltz a0, 1f
  mv t4, a0
  li a1, TIOCSPTLCK; li a2, ZEROS; li a7, IOCTL; ecall
  bltz a0, 1f
  mv a0, t4; li a1, TIOCGPTPEER; li a2, O_RDWR+O_NOCTTY+O_CLOEXEC; ecall
  sw a0, 0(t0)
  bltz a0, 1f
  mv a0, t4
  addi t1, s5, HEADER+12
  call set_size
  li a7, FCNTL; li a1, F_DUPFD_CLOEXEC; li a2, 0
  mv a0, t4; ecall
  sw a0, 8(t0)
  bltz a0, 1f
  lw a0, 0(t0); ecall
  sw a0, 12(t0)
  bltz a0, 1f
  lw a0, 0(t0); ecall
  sw a0, 20(t0)
  bltz a0, 1f
  li a0, 0
  j 3f
1:mv t2, a0
  addi t1, t0, 24
  li a7, CLOSE
2:lw a0, 0(t0); ecall                     # also of those that are none
  addi t0, t0, 4
  bltu t0, t1, 2b
  mv a0, t2
3:${LEAVE}

ptmx:
  .byte ${[...utf8("/dev/ptmx\0")].join(", ")}
  .align 2

# s5 frame: the pointers that child uses. a0 0 when there are not as many strings
split_strings:
  ${ENTER}
  li a0, 1
  li t0, STRINGS_LENGTH
  ld t1, 0(t0)
  sd zero, 0(t0)
  li a1, STRING_BYTES                     # the next string, t1 the end of all
  add t1, t1, a1
  li a2, POINTERS                         # the next pointer
  lwu t2, HEADER(s5)
  addi t2, t2, 1                          # the directory and the paths
  call next_pointers
  li t0, ARGUMENTS; sd a2, 0(t0)
  lwu t2, HEADER+4(s5)
  call next_pointers
  li t0, ENVIRONMENT; sd a2, 0(t0)
  lwu t2, HEADER+8(s5)
  call next_pointers
  ${LEAVE}

# t2 count: so many pointers, and a null
next_pointers:
  beqz t2, 2f
  sd a1, 0(a2)
  addi a2, a2, 8
1:bgeu a1, t1, 3f
  lbu t5, 0(a1)
  addi a1, a1, 1
  bnez t5, 1b
  addi t2, t2, -1
  j next_pointers
2:sd zero, 0(a2)
  addi a2, a2, 8
  ret
3:li a0, 0
  ret

# Not to return: its memory is the agent's.
child:
  li a7, SETSID; ecall
  li t0, PIPES
  lw a0, 0(t0); li a1, TIOCSCTTY; li a2, 0; li a7, IOCTL; ecall      # to a pipe it is nothing
  lw a0, 0(t0); li a1, 0; li a2, 0; li a7, DUP3; ecall
  lw a0, 12(t0); li a1, 1; ecall
  lw a0, 20(t0); li a1, 2; ecall
  li a0, SIG_SETMASK; li a1, ZEROS; li a2, 0; li a3, 8; li a7, RT_SIGPROCMASK; ecall
  li a0, 0; li a1, RLIMIT_NOFILE; li a2, USUAL_LIMIT; li a3, 0; li a7, PRLIMIT64; ecall
  li t1, START_STAGE
  li t0, STAGE_DIRECTORY; sw t0, 0(t1)
  li t2, POINTERS
  ld a0, 0(t2); li a7, CHDIR; ecall
  neg s9, a0
  bnez a0, child_failed
  li t0, STAGE_PROGRAM; sw t0, 0(t1)
  li s9, ENOENT                           # unless a path says something worse
  li a7, EXECVE
1:addi t2, t2, 8
  ld a0, 0(t2)
  beqz a0, child_failed
  li a1, ARGUMENTS; ld a1, 0(a1)
  li a2, ENVIRONMENT; ld a2, 0(a2)
  ecall
  li t0, -ENOENT; beq a0, t0, 1b
  li t0, -ENOTDIR; beq a0, t0, 1b
  neg s9, a0
  li t0, EACCES; beq s9, t0, 1b
child_failed:
  li t0, START_ERROR
  sw s9, 0(t0)
  j fail

# ---- with an argument: system calls ----

serve_system_calls:
  li a1, REQUEST
  li a2, REQUEST_BYTES
  call read_all
  li s3, REQUEST
  lwu a2, 60(s3)
  li t0, SCRATCH_BYTES
  bgtu a2, t0, end_badly
  li a1, SCRATCH
  call read_all
  # Arguments whose bit is set are offsets in SCRATCH.
  lwu s4, 56(s3)
  li t0, REQUEST+8
  li t1, SCRATCH
1:andi t2, s4, 1
  beqz t2, 2f
  ld t3, 0(t0)
  add t3, t3, t1
  sd t3, 0(t0)
2:srli s4, s4, 1
  addi t0, t0, 8
  li t2, REQUEST+56
  bltu t0, t2, 1b
  ld a0, 8(s3); ld a1, 16(s3); ld a2, 24(s3); ld a3, 32(s3); ld a4, 40(s3); ld a5, 48(s3)
  ld a7, 0(s3)
  ecall
  mv s5, a0
  li a1, REPLY
  sd a0, 0(a1)
  li a2, 8
  call write_all
  # What was asked for of SCRATCH, or no more than the call says to have put there.
  lwu a2, 64(s3)
  lwu a1, 68(s3)
  add t0, a1, a2
  li t1, SCRATCH_BYTES
  bgtu t0, t1, end_badly
  beqz s4, 4f
  bge s5, a2, 4f
  mv a2, s5
4:li t0, SCRATCH
  add a1, a1, t0
  call write_all
  j serve_system_calls

# "fail" and "exit" again, which are too far away for branches.
end_badly:
  li a0, 1
end:
  li a7, EXIT_GROUP; ecall

# a1 from, a2 byte length: all of it to standard output
write_all:
  blez a2, 2f
1:li a0, 1; li a7, WRITE; ecall
  blez a0, end_badly
  add a1, a1, a0
  sub a2, a2, a0
  bnez a2, 1b
2:ret

# a1 to, a2 byte length: all of it from standard input, at whose end the program ends
read_all:
  beqz a2, 2f
1:li a0, 0; li a7, READ; ecall
  beqz a0, end
  bltz a0, end_badly
  add a1, a1, a0
  sub a2, a2, a0
  bnez a2, 1b
2:ret
`;

/** The program as an ELF file. */
export function buildAgentProgram(): Uint8Array {
  const symbols = { ...LINUX, ...PROTOCOL, ...SLOT, ...MEMORY.symbols };
  const definitions = Object.entries(symbols).map(([name, value]) => `.equ ${name}, ${value}\n`);
  const { bytes } = assemble(definitions.join("") + SOURCE, BigInt(TEXT));
  return elfProgram({ vaddr: TEXT, contents: bytes }, { vaddr: DATA, byteLength: MEMORY.byteLength });
}

/** Places things one after the other: NAME is an address, NAME_BYTES a length. */
function layout(
  base: number,
  byteLengths: Readonly<Record<string, number>>,
): { readonly symbols: Readonly<Record<string, number>>; readonly byteLength: number } {
  const symbols: Record<string, number> = {};
  let address = base;
  for (const [name, byteLength] of Object.entries(byteLengths)) {
    symbols[name] = address;
    symbols[`${name}_BYTES`] = byteLength;
    address += Math.ceil(byteLength / 8) * 8;
  }
  return { symbols, byteLength: address - base };
}
