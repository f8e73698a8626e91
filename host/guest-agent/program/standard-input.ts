import { ENTER, LEAVE } from "./subroutine.js";

/** What the host sends for processes, kept until their pipes have room. */
export const STANDARD_INPUT = `
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
`;
