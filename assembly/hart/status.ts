// Fields of mstatus: Privileged ISA, "Machine Status Registers".
export const MSTATUS_SIE: u64 = 1 << 1;
export const MSTATUS_MIE: u64 = 1 << 3;
export const MSTATUS_SPIE: u64 = 1 << 5;
export const MSTATUS_MPIE: u64 = 1 << 7;
export const MSTATUS_SPP: u64 = 1 << 8;
export const MSTATUS_MPP: u64 = 3 << 11;
export const MSTATUS_MPP_SHIFT: u64 = 11;
export const MSTATUS_FS: u64 = 3 << 13;
export const MSTATUS_MPRV: u64 = 1 << 17;
export const MSTATUS_SUM: u64 = 1 << 18;
export const MSTATUS_MXR: u64 = 1 << 19;
export const MSTATUS_TVM: u64 = 1 << 20;
export const MSTATUS_TW: u64 = 1 << 21;
export const MSTATUS_TSR: u64 = 1 << 22;
/** UXL and SXL: both are always 64 bits. */
export const MSTATUS_XL: u64 = 0xa00000000;
export const MSTATUS_SD: u64 = 1 << 63;

export const MSTATUS_WRITABLE: u64 =
  MSTATUS_SIE |
  MSTATUS_MIE |
  MSTATUS_SPIE |
  MSTATUS_MPIE |
  MSTATUS_SPP |
  MSTATUS_MPP |
  MSTATUS_FS |
  MSTATUS_MPRV |
  MSTATUS_SUM |
  MSTATUS_MXR |
  MSTATUS_TVM |
  MSTATUS_TW |
  MSTATUS_TSR;
export const SSTATUS_WRITABLE: u64 = MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_FS | MSTATUS_SUM | MSTATUS_MXR;
export const SSTATUS_READABLE: u64 = SSTATUS_WRITABLE | 0x200000000 | MSTATUS_SD;

// Fields of menvcfg and senvcfg.
export const ENVCFG_FIOM: u64 = 1;
export const ENVCFG_CBIE: u64 = 3 << 4;
export const ENVCFG_CBCFE: u64 = 1 << 6;
export const ENVCFG_CBZE: u64 = 1 << 7;
export const ENVCFG_ADUE: u64 = 1 << 61;
export const ENVCFG_STCE: u64 = 1 << 63;
export const SENVCFG_WRITABLE: u64 = ENVCFG_FIOM | ENVCFG_CBIE | ENVCFG_CBCFE | ENVCFG_CBZE;
export const MENVCFG_WRITABLE: u64 = SENVCFG_WRITABLE | ENVCFG_ADUE | ENVCFG_STCE;

/** TM, the bit of mcounteren and scounteren for `time`. */
export const COUNTEREN_TM: u64 = 1 << 1;
