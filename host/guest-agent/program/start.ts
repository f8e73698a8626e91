import { utf8 } from "../../util/bytes.js";
import { ENTER, LEAVE } from "./subroutine.js";

/** Another process, with pipes or a terminal. */
export const START = `
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
`;
