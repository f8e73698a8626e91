/** Why `run` returned. */

/** The whole budget was retired. */
export const EXIT_BUDGET: u32 = 0;
/** Every started hart waits for an interrupt. */
export const EXIT_IDLE: u32 = 1;
/** A hart made an environment call from S-mode and the host serves the firmware; its pc is at the ecall. */
export const EXIT_ECALL: u32 = 2;
/** A device asked for a stop during an MMIO access; the access is complete. */
export const EXIT_STOP: u32 = 3;
/** Every hart that could run only takes traps and retires nothing, such as one whose trap vector is unmapped. */
export const EXIT_STUCK: u32 = 4;

/** What `runState` of a hart holds. */
export const HART_STARTED: u32 = 0;
export const HART_STOPPED: u32 = 1;
/** In WFI: leaves it when an enabled interrupt is pending. */
export const HART_WAITING: u32 = 2;

/** Instructions a hart executes before the next one has its turn. */
export const TURN_LENGTH: u32 = 10_000;
