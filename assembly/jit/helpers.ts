/**
 * Functions of the core that regions import, by index. Their types are in module.ts, their bodies in dispatch.ts;
 * behind them come the functions of semantics/ for instructions of kind float.
 */
export const LOAD: u32 = 0;
export const STORE: u32 = 1;
export const STEP: u32 = 2;
export const CSR: u32 = 3;
export const FLAGS: u32 = 4;
export const CALL_REGION: u32 = 5;
export const LEAVE_COLD: u32 = 6;
export const EXTEND_AND_UNWIND: u32 = 7;
export const MUL_HIGH_SS: u32 = 8;
export const MUL_HIGH_SU: u32 = 9;
export const MUL_HIGH_UU: u32 = 10;
export const DIV_S: u32 = 11;
export const DIV_U: u32 = 12;
export const REM_S: u32 = 13;
export const REM_U: u32 = 14;
export const CLMUL: u32 = 15;
export const CLMUL_REVERSED: u32 = 16;
export const XPERM4: u32 = 17;
export const XPERM8: u32 = 18;
export const FIRST_FLOAT: u32 = 19;
