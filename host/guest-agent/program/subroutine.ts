/** How a subroutine that calls others begins, */
export const ENTER = "addi sp, sp, -16; sd ra, 0(sp)";
/** and how it ends. */
export const LEAVE = "ld ra, 0(sp); addi sp, sp, 16; ret";
