/** Programs that try to break their machine. Each writes MARK to its console, then goes on for ever. */

import { assemble } from "../../assembly/isa/assemble.js";
import { elfFile } from "../machine/elf-file.js";

const BOARD = `
  .equ TEST, 0x100000
  .equ RTC, 0x101000
  .equ CLINT, 0x2000000
  .equ MTIMECMP, 0x2004000
  .equ MTIME, 0x200bff8
  .equ PLIC, 0xc000000
  .equ UART, 0x10000000
  .equ VIRTIO, 0x10001000
  .equ RAM, 0x80000000
  .equ NOTHING, 0x40000000
`;

export const MARK = "u";
const PRINT_MARK = `li t0, UART; li t1, ${MARK.charCodeAt(0)}; sb t1, 0(t0)\n`;

/** s0 takes the next pseudo-random number (xorshift64); t6 is lost. */
const RANDOM = `
    slli t6, s0, 13
    xor s0, s0, t6
    srli t6, s0, 7
    xor s0, s0, t6
    slli t6, s0, 17
    xor s0, s0, t6
`;

/** mtvec = a handler that goes on after a faulting instruction of four bytes. */
const SKIP_TRAPS = `
    la t0, skip_trap
    csrw mtvec, t0
    li s0, 88172645463325252
    j begin
    .align 2
  skip_trap:
    csrr t6, mepc
    addi t6, t6, 4
    csrw mepc, t6
    mret
  begin:
`;

export interface HostileProgram {
  /** What it does, to be read after "a guest that". */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Whether it only waits, so that it costs the host nothing. */
  readonly isIdle?: boolean;
}

function raw(name: string, listing: string): HostileProgram {
  return { name, bytes: assemble(BOARD + PRINT_MARK + listing).bytes };
}

/** A program with a symbol `tohost`, and `fromhost` after it. */
function withHtif(name: string, listing: string): HostileProgram {
  const { origin, bytes, symbols } = assemble(
    `${BOARD}${PRINT_MARK}${listing}\n .align 6\n tohost: .dword 0\n fromhost: .dword 0\n`,
  );
  const symbol = (label: string): bigint => symbols.get(label)!;
  const elf = elfFile({
    entry: origin,
    segments: [{ vaddr: origin, contents: bytes }],
    symbols: { tohost: symbol("tohost"), fromhost: symbol("fromhost") },
  });
  return { name, bytes: elf };
}

/** Writes random numbers at random places of windows of 4 KiB, `count` of them from `base` on. */
const fuzzWindows = (base: string, count: number) => `
  1:${RANDOM}
    srli t0, s0, 20
    li t1, ${count}
    remu t0, t0, t1
    slli t0, t0, 12
    li t1, ${base}
    add t0, t0, t1
    srli t1, s0, 40
    andi t1, t1, 0x1fc
    add t0, t0, t1
    andi t1, s0, 7
    sw s0, 0(t0)
    bnez t1, 1b
    lw t2, 0(t0)
    sh s0, 2(t0)
    ld t2, 0(t0)
    j 1b
`;

export const HOSTILE_PROGRAMS: readonly HostileProgram[] = [
  raw("jumps to nowhere, with nowhere to take the trap", "li t0, NOTHING; csrw mtvec, t0; jr t0"),
  raw("jumps out of the address space", "li t0, -4; csrw mtvec, t0; jr t0"),
  raw(
    "takes traps without end, each in the handler of the last",
    "la t0, handler; csrw mtvec, t0; .align 2; handler: .word 0",
  ),
  raw(
    "lets S-mode and M-mode trap into each other",
    `la t0, m; csrw mtvec, t0; la t0, s; csrw stvec, t0; li t0, 0xb000; csrw medeleg, t0
     li t0, -1; csrw pmpaddr0, t0; li t0, 0x1f; csrw pmpcfg0, t0
     la t0, s; csrw mepc, t0; li t0, 0x800; csrs mstatus, t0; mret
     .align 2
     m: la t0, s; csrw mepc, t0; li t0, 0x1800; csrc mstatus, t0; li t0, 0x800; csrs mstatus, t0; mret
     .align 2
     s: ecall`,
  ),
  raw(
    "reads and writes where nothing is",
    `${SKIP_TRAPS} li t0, NOTHING; 1: ld t1, 0(t0); sd t1, 0(t0); lbu t1, 1(t0); j 1b`,
  ),
  { ...raw("waits with every interrupt masked", "csrw mie, zero; 1: wfi; j 1b"), isIdle: true },
  raw(
    "does nothing but fences",
    "1: fence; fence.i; sfence.vma; sfence.vma t0, t1; sinval.vma t0, t1; fence.tso; j 1b",
  ),
  raw(
    "rewrites the code that it runs",
    `${SKIP_TRAPS} la t0, 2f; li t1, 0x00130313; li t2, 0x00100393
     1: sw t1, 0(t0); fence.i; 2: .word 0; sw t2, 0(t0); j 3f; .align 6; 3: sh s0, 2(t0); sb s0, 0(t0); j 1b`,
  ),
  raw(
    "fills its memory with code and runs it while it writes",
    `${SKIP_TRAPS} li s1, RAM+0x10000; li s2, RAM+0x2000000
     1: mv t0, s1; li t1, 0x00008067
     2: ${RANDOM} sw t1, 0(t0); jalr t0; addi t0, t0, 2044; addi t0, t0, 2044; bltu t0, s2, 2b; j 1b`,
  ),
  raw(
    "walks page tables that point at themselves",
    `${SKIP_TRAPS} li t0, RAM+0x100000; srli t1, t0, 2; ori t1, t1, 1; li t2, 4096; add t2, t2, t0
     1: sd t1, 0(t0); addi t0, t0, 8; bltu t0, t2, 1b
     li t0, RAM+0x100000; srli t0, t0, 12; li t1, 10<<60; or t0, t0, t1; csrw satp, t0
     li t0, 0x20800; csrs mstatus, t0
     2: ${RANDOM} srai t0, s0, 7; lw t1, 0(t0); sw t1, 0(t0); j 2b`.replace("10<<60", String(10n << 60n)),
  ),
  raw(
    "is interrupted by its timer without end",
    `la t0, 1f; csrw mtvec, t0; li t0, MTIMECMP; sd zero, 0(t0); li t0, 0x80; csrw mie, t0; csrwi mstatus, 8; 2: j 2b
     .align 2; 1: mret`,
  ),
  raw(
    "sets the clock and its alarms again and again",
    `${SKIP_TRAPS} li s1, MTIME; li s2, RTC
     1: ${RANDOM} sd s0, 0(s1); li t0, MTIMECMP; sd s0, 0(t0); sw s0, 12(s2); sw s0, 8(s2); sw s0, 0x10(s2)
     srli t0, s0, 60; bnez t0, 1b; wfi; j 1b`,
  ),
  raw("writes nonsense to the interrupt controllers", `${SKIP_TRAPS} ${fuzzWindows("PLIC", 0x600)}`),
  raw("writes nonsense to every virtio device", `${SKIP_TRAPS} ${fuzzWindows("VIRTIO", 8)}`),
  raw(
    "gives virtio queues that are all garbage",
    // Every device in turn: reset, accept, queues 0 to 3 at random places of RAM filled with random numbers, kick.
    `${SKIP_TRAPS} li t0, RAM+0x100000; li t1, RAM+0x200000
     1: ${RANDOM} sd s0, 0(t0); addi t0, t0, 8; bltu t0, t1, 1b
     2: ${RANDOM} andi t0, s0, 7; slli t0, t0, 12; li s1, VIRTIO; add s1, s1, t0
     sw zero, 0x70(s1); li t0, 3; sw t0, 0x70(s1)
     li t0, 1; sw t0, 0x24(s1); sw t0, 0x20(s1); sw zero, 0x24(s1); srli t0, s0, 9; sw t0, 0x20(s1)
     li t0, 11; sw t0, 0x70(s1)
     li s2, 0
     3: sw s2, 0x30(s1); srli t0, s0, 16; andi t0, t0, 7; li t1, 1; sll t1, t1, t0; sw t1, 0x38(s1)
     ${[0x80, 0x90, 0xa0].map((register) => `${RANDOM} li t0, 0xffff0; and t0, t0, s0; li t1, RAM+0x100000; add t0, t0, t1; sw t0, ${register}(s1); sw zero, ${register + 4}(s1)`).join("\n")}
     li t0, 1; sw t0, 0x44(s1)
     addi s2, s2, 1; li t0, 4; bltu s2, t0, 3b
     li t0, 15; sw t0, 0x70(s1)
     li s2, 0
     4: sw s2, 0x50(s1); addi s2, s2, 1; li t0, 4; bltu s2, t0, 4b
     lw t0, 0x60(s1); sw t0, 0x64(s1); j 2b`,
  ),
  withHtif(
    "asks for nonsense by HTIF",
    `${SKIP_TRAPS} la s1, tohost; li s2, RAM+0x100000
     1: ${RANDOM} srli t0, s0, 1; slli t0, t0, 1; sd t0, 0(s1)
     2: addi t1, t1, 1; andi t2, t1, 255; bnez t2, 2b
     li t0, 64; sd t0, 0(s2); sd s0, 8(s2); srli t0, s0, 32; sd t0, 16(s2); li t0, -1; sd t0, 24(s2); sd s2, 0(s1)
     3: addi t1, t1, 1; andi t2, t1, 255; bnez t2, 3b
     j 1b`,
  ),
];

/** A kernel, for `--kernel`, that makes every SBI call with random arguments, but those that end the machine. */
export const HOSTILE_KERNEL: Uint8Array = (() => {
  const origin = 0x8020_0000n;
  const { bytes } = assemble(
    `  li a7, 1; li a0, ${MARK.charCodeAt(0)}; ecall
       la t0, 9f; csrw stvec, t0
       li s0, 88172645463325252
       la s1, extensions
     1:${RANDOM}
       andi t0, s0, 7; slli t0, t0, 3; add t0, t0, s1; ld a7, 0(t0)
       srli a6, s0, 8; andi a6, a6, 7
       mv a0, s0
       ${[1, 2, 3, 4, 5].map((n) => `${RANDOM} mv a${n}, s0; andi t0, s0, 3; bnez t0, 2f; srli a${n}, s0, 56; 2:`).join("\n")}
       ecall
       j 1b
     .align 2
     9: j 1b
     .align 3
     extensions: .dword 0x10, 0x54494d45, 0x735049, 0x52464e43, 0x4442434e, 1, 0x0a, 0x12345678`,
    origin,
  );
  return elfFile({ entry: origin, segments: [{ vaddr: origin, contents: bytes }] });
})();
