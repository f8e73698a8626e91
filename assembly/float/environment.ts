/**
 * The floating-point environment of an operation: the rounding mode it is given and the exception flags it accrues.
 * Encodings are those of the fcsr register (Unprivileged ISA, "F" extension, "Floating-Point Control and Status
 * Register"), so that `frm` and `fflags` need no translation.
 *
 * A function that can raise a flag takes as its first parameter the address of a u32, `flags`, and ORs into it.
 * A rounding mode parameter `rm` is one of the five below; DYN has been resolved by the caller.
 */

/** Round to nearest, ties to even. */
export const RNE: u32 = 0;
/** Round towards zero. */
export const RTZ: u32 = 1;
/** Round down, towards minus infinity. */
export const RDN: u32 = 2;
/** Round up, towards plus infinity. */
export const RUP: u32 = 3;
/** Round to nearest, ties to the larger magnitude. */
export const RMM: u32 = 4;

/** Inexact: the result is not the exact one. */
export const FLAG_NX: u32 = 1;
/** Underflow: the result is inexact and tiny, tininess being detected after rounding. */
export const FLAG_UF: u32 = 2;
/** Overflow: the result rounded as if the exponent had no upper bound exceeds the largest finite number. */
export const FLAG_OF: u32 = 4;
/** Divide by zero: a finite number other than zero was divided by zero. */
export const FLAG_DZ: u32 = 8;
/** Invalid operation: no useful result exists, or an operand was a signalling NaN. */
export const FLAG_NV: u32 = 16;

/** Accrues the given flags. */
@inline export function raise(flags: usize, raised: u32): void {
  store<u32>(flags, load<u32>(flags) | raised);
}

/** Whether NX has accrued already, so that another inexact result would not change the flags. */
@inline export function isInexactAccrued(flags: usize): bool {
  return (load<u32>(flags) & FLAG_NX) != 0;
}
