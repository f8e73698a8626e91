import { assemble } from "../../assembly/isa/assemble.js";
import {
  ARENA_BASE,
  BLOCK_STRIDE,
  BLOCKS_BASE,
  blockOffset,
  CLINT_MTIME,
  CLINT_MTIMECMP,
  CODE_BYTE_LENGTH,
  CODE_OFFSET,
  DATA_BYTE_LENGTH,
  DATA_OFFSET,
  FINAL_CSRS,
  INITIAL_CSRS,
  LEAF_COUNT,
  LEAF_TABLE,
  MAX_TRAPS,
  MEGAPAGE_COUNT,
  MIDDLE_TABLE,
  MONITOR_BASE,
  RAM_BASE,
  RESULT_CSRS,
  RESULT_DATA,
  RESULT_F,
  RESULT_PTES,
  RESULT_STATUS,
  RESULT_TRAP_COUNT,
  RESULT_TRAPS,
  RESULT_X,
  STATUS_ENDED,
  STATUS_LOST,
  STATUS_TIMEOUT,
  STATUS_TRAPS,
  STUB_OFFSET,
  STUB_RETURN_OFFSET,
  STUB_VECTORS_BYTE_LENGTH,
  SV39_ROOT,
  TEST_DEVICE,
  TEST_PASS,
  TIMEOUT_TICKS,
  TRAP_BYTE_LENGTH,
  VIA_SUPERVISOR,
} from "./layout.js";

const FS = 0x6000;
/** SSIP, STIP and SEIP: what of mip can be cleared. */
const SUPERVISOR_INTERRUPTS = 0x222;

const block = (field: string) => `${blockOffset(field)}(s0)`;
const lines = (count: number, line: (n: number) => string) =>
  Array.from({ length: count }, (_, n) => line(n)).join("\n");

/**
 * The monitor: runs program after program in machine mode and records what became of each.
 *
 * It sets registers, CSRs, page tables, code and data from the program's block and enters it with MRET. Traps of the
 * program come here, from machine mode and below; those delegated to supervisor mode come by way of the stub, whose
 * ECALL reports them and whose SRET goes on. A trap is recorded and the program goes on behind the instruction, until
 * it traps at its end, where it has no code, too often, or the timer strikes.
 */
const LISTING = `
.org ${RAM_BASE}
  j start

.org ${MONITOR_BASE}
start:
  la t0, handler
  csrw mtvec, t0
  la t0, current
  li t1, ${BLOCKS_BASE}
  sd t1, 0(t0)

next:                           # the block at current, in s0
  csrw satp, zero
  la t0, current
  ld s0, 0(t0)
  ld t0, ${block("entry")}
  beqz t0, done

  li a0, ${ARENA_BASE + DATA_OFFSET}
  ld a1, ${block("window")}
  li a2, ${DATA_BYTE_LENGTH}
  call copy
  li a0, ${ARENA_BASE + CODE_OFFSET}
  li a2, ${CODE_BYTE_LENGTH}
  call clear
  ${lines(
    2,
    (n) => `
  ld a0, ${block(`codeTo${n}`)}
  ld a1, ${block(`codeFrom${n}`)}
  ld a2, ${block(`codeByteLength${n}`)}
  call copy`,
  )}
  li a0, ${ARENA_BASE + STUB_OFFSET}
  la a1, stub
  li a2, ${STUB_RETURN_OFFSET + 8}
  call copy
  li a0, ${LEAF_TABLE}
  addi a1, s0, ${blockOffset("pte0")}
  li a2, ${8 * LEAF_COUNT}
  call copy
  li a0, ${MIDDLE_TABLE + 8}
  addi a1, s0, ${blockOffset(`pte${LEAF_COUNT}`)}
  li a2, ${8 * MEGAPAGE_COUNT}
  call copy
  li t1, ${SV39_ROOT}
  ld t0, ${block(`pte${LEAF_COUNT + MEGAPAGE_COUNT}`)}
  sd t0, 16(t1)
  fence.i
  sfence.vma

  ${INITIAL_CSRS.map(
    (name) => `
  ld t0, ${block(name)}
  csrw ${name}, t0`,
  ).join("")}
  li t0, ${FS}
  csrs mstatus, t0
  ${lines(32, (n) => `fld f${n}, ${block(`f${n}`)}`)}
  ld t0, ${block("fcsr")}
  csrw fcsr, t0
  li t0, ${CLINT_MTIME}
  ld t1, 0(t0)
  li t0, ${TIMEOUT_TICKS}
  add t1, t1, t0
  li t0, ${CLINT_MTIMECMP}
  sd t1, 0(t0)
  la t0, current
  sc.d zero, zero, (t0)         # no reservation is left from before
  ld t0, ${block("mstatus")}
  csrw mstatus, t0
  ld t0, ${block("entry")}
  csrw mepc, t0
  mv x31, s0
  ${lines(30, (n) => `ld x${n + 1}, ${blockOffset(`x${n + 1}`)}(x31)`)}
  ld x31, ${blockOffset("x31")}(x31)
  mret

  .align 2
handler:                        # mscratch holds x31 while registers are saved; no other CSR is touched
  csrw mscratch, x31
  la x31, saved
  ${lines(30, (n) => `sd x${n + 1}, ${8 * (n + 1)}(x31)`)}
  csrr t0, mscratch
  sd t0, ${8 * 31}(x31)
  la t0, current
  ld s0, 0(t0)
  ld s1, ${block("result")}
  csrr s2, mcause
  csrr s3, mepc
  csrr s4, mtval
  csrr s5, mstatus
  li s6, 0                      # how it came
  li a0, ${STATUS_TIMEOUT}
  li t0, -1
  slli t0, t0, 63
  addi t0, t0, 7
  beq s2, t0, finish
  ld t0, ${block("stub")}
  sub t1, s3, t0
  li t2, ${STUB_VECTORS_BYTE_LENGTH}
  bgeu t1, t2, 1f
  li t2, 9
  bne s2, t2, 1f
  csrr s2, scause               # the supervisor's
  csrr s3, sepc
  csrr s4, stval
  li s6, ${VIA_SUPERVISOR}
  add s6, s6, t1
1:
  ld t0, ${RESULT_TRAP_COUNT}(s1)
  li t1, ${TRAP_BYTE_LENGTH}
  mul t1, t1, t0
  add t1, t1, s1
  sd s2, ${RESULT_TRAPS}(t1)
  sd s3, ${RESULT_TRAPS + 8}(t1)
  sd s4, ${RESULT_TRAPS + 16}(t1)
  sd s5, ${RESULT_TRAPS + 24}(t1)
  sd s6, ${RESULT_TRAPS + 32}(t1)
  csrw mtval, zero              # for some causes it is up to the implementation: recorded, not left to the program
  beqz s6, 1f
  csrw stval, zero
1:
  addi t0, t0, 1
  sd t0, ${RESULT_TRAP_COUNT}(s1)
  li a0, ${STATUS_TRAPS}
  li t1, ${MAX_TRAPS}
  beq t0, t1, finish
  li a0, ${STATUS_ENDED}
  ld t0, ${block("end")}
  bltz s2, interrupted
  beq s3, t0, finish

  li a0, ${STATUS_LOST}         # step over the instruction: how long is it?
  ld t0, ${block("codeBase")}
  sub t0, s3, t0
  li t1, ${CODE_BYTE_LENGTH}
  bgeu t0, t1, finish
  srli t1, t0, 12
  slli t1, t1, 3
  add t1, t1, s0
  ld t1, ${blockOffset("codePage0")}(t1)
  slli t0, t0, 52
  srli t0, t0, 52
  add t1, t1, t0
  lhu t1, 0(t1)
  andi t1, t1, 3
  addi t1, t1, -3
  addi s3, s3, 2
  bnez t1, resume
  addi s3, s3, 2
  j resume

interrupted:
  li t0, ${SUPERVISOR_INTERRUPTS}
  csrc mip, t0
  li t0, -1
  csrw stimecmp, t0

resume:                         # at s3
  beqz s6, 1f
  csrw sepc, s3
  ld s3, ${block("stub")}
  addi s3, s3, ${STUB_RETURN_OFFSET}
1:
  csrw mepc, s3
  la x31, saved
  ${lines(31, (n) => `ld x${n + 1}, ${8 * (n + 1)}(x31)`)}
  mret

finish:                         # with status a0
  sd a0, ${RESULT_STATUS}(s1)
  li s2, ${RESULT_CSRS}
  add s2, s2, s1
  ${FINAL_CSRS.filter((name) => name !== "fcsr")
    .map(
      (name) => `
  csrr t0, ${name}
  sd t0, ${8 * FINAL_CSRS.indexOf(name)}(s2)`,
    )
    .join("")}
  csrw pmpcfg0, zero            # an entry that covers a part of what is read denies it even to machine mode
  li t0, ${FS}
  csrs mstatus, t0
  frcsr t0
  sd t0, ${8 * FINAL_CSRS.indexOf("fcsr")}(s2)
  li t0, ${RESULT_F}
  add t0, t0, s1
  ${lines(32, (n) => `fsd f${n}, ${8 * n}(t0)`)}
  li a0, ${RESULT_X}
  add a0, a0, s1
  la a1, saved
  li a2, 256
  call copy
  li a0, ${RESULT_PTES}
  add a0, a0, s1
  li a1, ${LEAF_TABLE}
  li a2, ${8 * LEAF_COUNT}
  call copy
  li a1, ${MIDDLE_TABLE + 8}
  li a2, ${8 * MEGAPAGE_COUNT}
  call copy
  li a1, ${SV39_ROOT + 16}
  li a2, 8
  call copy
  li a0, ${RESULT_DATA}
  add a0, a0, s1
  li a1, ${ARENA_BASE + DATA_OFFSET}
  li a2, ${DATA_BYTE_LENGTH}
  call copy
  li t0, ${BLOCK_STRIDE}
  add s0, s0, t0
  la t0, current
  sd s0, 0(t0)
  j next

done:
  li t0, ${TEST_DEVICE}
  li t1, ${TEST_PASS}
  sw t1, 0(t0)
1:
  j 1b

copy:                           # a2 bytes, none or a multiple of 8, from a1 to a0, both of which move on
  add a2, a2, a0
1:
  beq a0, a2, 2f
  ld t0, 0(a1)
  sd t0, 0(a0)
  addi a0, a0, 8
  addi a1, a1, 8
  j 1b
2:
  ret

clear:                          # a2 bytes at a0
  add a2, a2, a0
1:
  sd zero, 0(a0)
  addi a0, a0, 8
  bne a0, a2, 1b
  ret

  .align 3
stub:
  ${lines(STUB_VECTORS_BYTE_LENGTH / 4, () => "ecall")}
  .zero ${STUB_RETURN_OFFSET - STUB_VECTORS_BYTE_LENGTH}
  sret
  .word 0

current:
  .dword 0
saved:
  .zero 256
`;

/** The monitor from the first byte of RAM on. */
export function assembleMonitor(): Uint8Array {
  return assemble(LISTING, BigInt(RAM_BASE)).bytes;
}
