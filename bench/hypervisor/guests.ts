/** Bare programs of a few instructions, for M-mode: what they do does not depend on a kernel. */
import { assemble } from "../../assembly/isa/assemble.js";

/** Computes for ever, and waits for nothing. */
export const BUSY = assemble("loop: addi t0, t0, 1; xor t1, t1, t0; add t2, t2, t1; j loop").bytes;

/** mtime's ticks in a millisecond. */
export const TICKS_PER_MS = 10_000;

/**
 * Sleeps for so long again and again. Each time that it wakes it writes to the UART how many ticks after its timer was
 * due it reads mtime: 4 bytes, least significant first.
 */
export function sleeper(sleepMs: number): Uint8Array {
  return assemble(`
    lui s0, 0x2004
    lui s1, 0x200c
    addi s1, s1, -8
    lui s2, 0x10000
    addi t0, zero, 0x80
    csrw mie, t0
    li t4, ${sleepMs * TICKS_PER_MS}
    again:
    ld t1, 0(s1)
    add t1, t1, t4
    sd t1, 0(s0)
    asleep:
    wfi
    ld t2, 0(s1)
    bltu t2, t1, asleep
    sub t2, t2, t1
    sb t2, 0(s2)
    srli t2, t2, 8
    sb t2, 0(s2)
    srli t2, t2, 8
    sb t2, 0(s2)
    srli t2, t2, 8
    sb t2, 0(s2)
    j again
  `).bytes;
}
