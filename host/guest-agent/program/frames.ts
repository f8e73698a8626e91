import { ENTER, LEAVE } from "./subroutine.js";

/** What the host sends, and what it is sent. */
export const FRAMES = `
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
`;
