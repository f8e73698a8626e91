import { Uart16550 } from "../../host/devices/uart16550.js";
import { Bus } from "../../host/machine/bus.js";
import type { SmallSubject } from "../subject.js";
import { prepareLoop } from "./bare-core.js";

const UART_BASE = 0x1000_0000;
const ACCESSES = 50;

/** A device register read or written by the guest: out of Wasm, over the bus to the device, and back. */
export const mmio: SmallSubject = {
  name: "mmio",
  cases: [
    { operation: "a load from the UART's LSR", prepare: () => prepareAccesses("lbu t1, 5(t0);") },
    { operation: "a store to the UART's SCR", prepare: () => prepareAccesses("sb t1, 7(t0);") },
  ],
};

function prepareAccesses(access: string): ReturnType<typeof prepareLoop> {
  const bus = new Bus();
  bus.attach("uart", UART_BASE, new Uart16550({ interrupt: { set() {} }, output: { write() {} } }));
  const before = { text: "lui t0, 0x10000", instructions: 1 };
  return prepareLoop({ before, body: access.repeat(ACCESSES), instructions: ACCESSES, operations: ACCESSES }, bus);
}
