/** Waits for the host, signals and pipes, for ever. */
export const MAIN_LOOP = `
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
`;
