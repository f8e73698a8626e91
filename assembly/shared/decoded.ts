/**
 * A decoded instruction: 64 bits, the same for the interpreter's cache and for every target of `semantics/`.
 *
 *   63                             32 31   26 25   20 19   14 13  11 10          0
 *  +---------------------------------+-------+-------+-------+------+-------------+
 *  | immediate, sign-extended        |  rs2  |  rs1  |  rd   |  0   | operation   |
 *  +---------------------------------+-------+-------+-------+------+-------------+
 *
 * Register numbers have six bits because rd = x0 becomes register 32, whose value nobody reads. Where an instruction
 * has no immediate, its bits carry what is left: shift amounts, CSR numbers, or `rm` (bits 0-2) and `rs3` (bits 8-12).
 */
export const OPERATION_MASK: u32 = 0x7ff;
export const RD_SHIFT: u32 = 14;
export const RS1_SHIFT: u32 = 20;
export const RS2_SHIFT: u32 = 26;
export const IMM_SHIFT: u32 = 32;
export const RS3_IN_IMM: u32 = 8;
