/** Why a region is left other than by a return or a jump. Hart.leftFor holds one, Machine.regionExits counts them. */
export const LEFT_FOR_BUDGET: u32 = 0; // fewer instructions are left than the way to the next check may take
export const LEFT_FOR_ACCESS: u32 = 1; // a load or store trapped, or is the interpreter's: a device, a page with code
export const LEFT_FOR_STEP: u32 = 2; // after a CSR instruction and the like: an interrupt, another mode, a trap
export const LEFT_FOR_NESTED: u32 = 3; // an interpretation that a region waited for did not come back to it
export const LEFT_FOR_REFUSAL: u32 = 4; // the region that comes next may not be entered now
/** Not an exit, for it comes back: code of the function that had never been executed when it was translated. */
export const LEFT_FOR_COLD: u32 = 5;
export const EXIT_REASON_COUNT: u32 = 6;
