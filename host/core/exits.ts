/**
 * Why `run` returned, as plain numbers: the processor's own table is in AssemblyScript's types, which programs that use
 * this package do not have.
 */
import * as table from "../../assembly/shared/exit.js";

export const EXIT_BUDGET: number = table.EXIT_BUDGET;
export const EXIT_IDLE: number = table.EXIT_IDLE;
export const EXIT_ECALL: number = table.EXIT_ECALL;
export const EXIT_STOP: number = table.EXIT_STOP;
export const EXIT_STUCK: number = table.EXIT_STUCK;
