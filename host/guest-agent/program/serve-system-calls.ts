/** Called with an argument: system calls, as system-calls.ts describes them. */
export const SERVE_SYSTEM_CALLS = `
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
