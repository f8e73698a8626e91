import { ENTER, LEAVE } from "./subroutine.js";

/** Their slots, what they write, their ends. */
export const PROCESSES = `
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
`;
