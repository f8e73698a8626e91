/**
 * NS16550A: a serial port with 16-byte FIFOs.
 *
 * | offset | DLAB | read                              | write                       |
 * |--------|------|-----------------------------------|-----------------------------|
 * | 0      | 0    | RBR receiver buffer               | THR transmitter holding     |
 * | 1      | 0    | IER interrupt enable              | IER                         |
 * | 0, 1   | 1    | DLL, DLM divisor latch            | DLL, DLM                    |
 * | 2      |      | IIR interrupt identification      | FCR FIFO control            |
 * | 3      |      | LCR line control; bit 7 is DLAB   | LCR                         |
 * | 4      |      | MCR modem control                 | MCR                         |
 * | 5      |      | LSR line status                   | (ignored)                   |
 * | 6      |      | MSR modem status                  | (ignored)                   |
 * | 7      |      | SCR scratch                       | SCR                         |
 *
 * A wider access reaches the one register at its offset. Characters take no time: THR is empty again as soon as it
 * is written, and the character timeout (four character times without a read) has always passed.
 *
 * Source: National Semiconductor PC16550D data sheet, sections 8.0 "Registers" and 8.4 to 8.9.
 */
import { ByteQueue } from "../util/bytes.js";
import { bytes, flag, type LiveStateOf, type StateOf, schema, u8, u16, uint } from "../util/schema.js";
import type { ByteSink, Device, InterruptLine, Width } from "./device.js";

const WINDOW_BYTE_LENGTH = 0x100;

const DATA = 0; // RBR, THR; DLL with DLAB
const INTERRUPT_ENABLE = 1; // IER; DLM with DLAB
const INTERRUPT_ID_FIFO_CONTROL = 2; // IIR, FCR
const LINE_CONTROL = 3;
const MODEM_CONTROL = 4;
const LINE_STATUS = 5;
const MODEM_STATUS = 6;
const SCRATCH = 7;

const IER_RECEIVED_DATA = 1 << 0;
const IER_TRANSMITTER_EMPTY = 1 << 1;
const IER_LINE_STATUS = 1 << 2;
const IER_MODEM_STATUS = 1 << 3;
const IER_MASK = 0x0f;

/** IIR bits 3 to 0, by falling priority; bit 0 clear means that an interrupt is pending. */
const IIR_LINE_STATUS = 0x6;
const IIR_RECEIVED_DATA = 0x4;
const IIR_CHARACTER_TIMEOUT = 0xc;
const IIR_TRANSMITTER_EMPTY = 0x2;
const IIR_MODEM_STATUS = 0x0;
const IIR_NONE = 0x1;
const IIR_FIFOS_ENABLED = 0xc0;

const FCR_ENABLE = 1 << 0;
const FCR_CLEAR_RECEIVER = 1 << 1;
/** What stays of FCR: enable, DMA mode, trigger level. The clear bits clear themselves. */
const FCR_KEPT = 0xc9;
const FCR_TRIGGER_SHIFT = 6;
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;

const LCR_DLAB = 1 << 7;

const MCR_DTR = 1 << 0;
const MCR_RTS = 1 << 1;
const MCR_OUT1 = 1 << 2;
const MCR_OUT2 = 1 << 3;
const MCR_LOOPBACK = 1 << 4;
const MCR_MASK = 0x1f;

const LSR_DATA_READY = 1 << 0;
const LSR_OVERRUN = 1 << 1;
const LSR_TRANSMITTER_HOLDING_EMPTY = 1 << 5;
const LSR_TRANSMITTER_EMPTY = 1 << 6;

const MSR_DELTA_CTS = 1 << 0;
const MSR_DELTA_DSR = 1 << 1;
const MSR_TRAILING_EDGE_RI = 1 << 2;
const MSR_DELTA_DCD = 1 << 3;
const MSR_CTS = 1 << 4;
const MSR_DSR = 1 << 5;
const MSR_RI = 1 << 6;
const MSR_DCD = 1 << 7;

const FIFO_BYTE_LENGTH = 16;
const BUFFER_BYTE_LENGTH_WITHOUT_FIFO = 1;
/** What the host may send ahead of the guest, beyond the FIFO. */
const WAITING_MAX = 4096;

const uartSchema = schema("ns16550a", 1, {
  interruptEnable: uint("IER", IER_MASK),
  fifoControl: u8("FCR without its self-clearing bits"),
  lineControl: u8("LCR; bit 7 (DLAB) turns registers 0 and 1 into the divisor latch"),
  modemControl: uint("MCR", MCR_MASK),
  modemDeltas: uint("MSR bits 3 to 0: changes of the modem lines since MSR was last read", 0x0f),
  overrun: flag("LSR bit 1: a received character was lost since LSR was last read"),
  scratch: u8("SCR"),
  divisor: u16("baud rate divisor latch"),
  transmitInterrupt: flag("THR has become empty and IIR has not reported it yet"),
  received: bytes("received characters that the driver has not read, oldest first", FIFO_BYTE_LENGTH),
  waiting: bytes("characters from the host that have not reached the FIFO, oldest first", WAITING_MAX),
});
type UartFields = typeof uartSchema.fields;
type UartState = StateOf<UartFields>;

const POWER_ON: UartState = {
  interruptEnable: 0,
  fifoControl: 0,
  lineControl: 0,
  modemControl: 0,
  modemDeltas: 0,
  overrun: false,
  scratch: 0,
  // 9600 baud from the usual 1.8432 MHz crystal. The data sheet leaves it open, but software divides by it.
  divisor: 12,
  transmitInterrupt: false,
  received: new Uint8Array(),
  waiting: new Uint8Array(),
};

export interface UartWires {
  readonly interrupt: InterruptLine;
  /** Gets each character as the guest writes it. */
  readonly output: ByteSink;
}

export class Uart16550 implements Device<UartFields> {
  readonly schema = uartSchema;
  readonly windowByteLength = WINDOW_BYTE_LENGTH;
  readonly #wires: UartWires;
  readonly #received = new ByteQueue(FIFO_BYTE_LENGTH);
  readonly #waiting = new ByteQueue(WAITING_MAX);
  #state!: LiveStateOf<UartFields>;

  constructor(wires: UartWires) {
    this.#wires = wires;
    this.reset();
  }

  /**
   * Takes characters for the guest. They wait for room in the FIFO, and while the port is in loopback.
   *
   * @returns how many of `input` were taken, from its start; the rest must be offered again later
   */
  receive(input: Uint8Array): number {
    const taken = this.#waiting.push(input);
    this.#refill();
    return taken;
  }

  read(offset: number, _width: Width): number {
    const value = this.#readRegister(offset);
    // A read is no reason to interrupt, so it only lowers the line.
    if (this.#interruptSource() === IIR_NONE) this.#wires.interrupt.set(false);
    return value;
  }

  write(offset: number, value: number, _width: Width): void {
    this.#writeRegister(offset, value & 0xff);
    this.#updateInterrupt();
  }

  reset(): void {
    this.load(POWER_ON);
  }

  save(): UartState {
    return { ...this.#state, received: this.#received.toBytes(), waiting: this.#waiting.toBytes() };
  }

  load(state: UartState): void {
    this.#state = { ...state };
    this.#received.assign(state.received);
    this.#waiting.assign(state.waiting);
    this.#updateInterrupt();
  }

  get #fifosEnabled(): boolean {
    return (this.#state.fifoControl & FCR_ENABLE) !== 0;
  }

  get #receiverCapacity(): number {
    return this.#fifosEnabled ? FIFO_BYTE_LENGTH : BUFFER_BYTE_LENGTH_WITHOUT_FIFO;
  }

  get #divisorLatchAccess(): boolean {
    return (this.#state.lineControl & LCR_DLAB) !== 0;
  }

  get #loopback(): boolean {
    return (this.#state.modemControl & MCR_LOOPBACK) !== 0;
  }

  #readRegister(offset: number): number {
    const state = this.#state;
    switch (offset) {
      case DATA:
        return this.#divisorLatchAccess ? state.divisor & 0xff : this.#takeReceived();
      case INTERRUPT_ENABLE:
        return this.#divisorLatchAccess ? state.divisor >> 8 : state.interruptEnable;
      case INTERRUPT_ID_FIFO_CONTROL:
        return this.#identifyInterrupt();
      case LINE_CONTROL:
        return state.lineControl;
      case MODEM_CONTROL:
        return state.modemControl;
      case LINE_STATUS:
        return this.#takeLineStatus();
      case MODEM_STATUS:
        return this.#takeModemStatus();
      case SCRATCH:
        return state.scratch;
      default:
        return 0;
    }
  }

  #writeRegister(offset: number, value: number): void {
    const state = this.#state;
    switch (offset) {
      case DATA:
        if (this.#divisorLatchAccess) state.divisor = (state.divisor & 0xff00) | value;
        else this.#transmit(value);
        return;
      case INTERRUPT_ENABLE:
        if (this.#divisorLatchAccess) state.divisor = (state.divisor & 0x00ff) | (value << 8);
        else this.#setInterruptEnable(value & IER_MASK);
        return;
      case INTERRUPT_ID_FIFO_CONTROL:
        this.#setFifoControl(value);
        return;
      case LINE_CONTROL:
        state.lineControl = value;
        return;
      case MODEM_CONTROL:
        this.#setModemControl(value & MCR_MASK);
        return;
      case SCRATCH:
        state.scratch = value;
        return;
      default: // LSR and MSR are read-only
        return;
    }
  }

  #takeReceived(): number {
    if (this.#received.length === 0) return 0;
    const character = this.#received.shift();
    this.#refill();
    return character;
  }

  #transmit(character: number): void {
    if (this.#loopback) this.#arrive(character);
    else this.#wires.output.write(Uint8Array.of(character));
    // Writing THR clears the interrupt; that it is empty again raises it at once.
    this.#state.transmitInterrupt = true;
  }

  /** A looped back character reaches the receiver, which cannot make it wait. */
  #arrive(character: number): void {
    if (this.#received.length < this.#receiverCapacity) {
      this.#received.push(Uint8Array.of(character));
      return;
    }
    // A full FIFO keeps what it holds; the single buffer without FIFOs is overwritten.
    if (!this.#fifosEnabled) this.#received.assign(Uint8Array.of(character));
    this.#state.overrun = true;
  }

  /** Moves waiting characters into the receiver as far as there is room. Loopback disconnects the line. */
  #refill(): void {
    const room = this.#receiverCapacity - this.#received.length;
    if (this.#loopback || room <= 0 || this.#waiting.length === 0) return;
    this.#received.push(this.#waiting.take(room));
    this.#updateInterrupt();
  }

  #setInterruptEnable(value: number): void {
    const rising = value & ~this.#state.interruptEnable;
    this.#state.interruptEnable = value;
    // THR is empty, so enabling the interrupt raises it: drivers start transmitting that way.
    if ((rising & IER_TRANSMITTER_EMPTY) !== 0) this.#state.transmitInterrupt = true;
  }

  #setFifoControl(value: number): void {
    const enable = (value & FCR_ENABLE) !== 0;
    // Without the enable bit the others are not programmed; changing it clears the FIFOs.
    const clear = enable !== this.#fifosEnabled || (enable && (value & FCR_CLEAR_RECEIVER) !== 0);
    this.#state.fifoControl = enable ? value & FCR_KEPT : 0;
    if (!clear) return;
    this.#received.clear();
    this.#refill();
  }

  #setModemControl(value: number): void {
    const before = this.#modemLines();
    this.#state.modemControl = value;
    const after = this.#modemLines();
    this.#state.modemDeltas |= modemDeltas(before, after);
    this.#refill();
  }

  /** MSR bits 7 to 4. Looped back they follow MCR; otherwise the other end is ready and does not ring. */
  #modemLines(): number {
    const { modemControl } = this.#state;
    if (!this.#loopback) return MSR_CTS | MSR_DSR | MSR_DCD;
    return (
      ((modemControl & MCR_RTS) !== 0 ? MSR_CTS : 0) |
      ((modemControl & MCR_DTR) !== 0 ? MSR_DSR : 0) |
      ((modemControl & MCR_OUT1) !== 0 ? MSR_RI : 0) |
      ((modemControl & MCR_OUT2) !== 0 ? MSR_DCD : 0)
    );
  }

  #takeModemStatus(): number {
    const status = this.#modemLines() | this.#state.modemDeltas;
    this.#state.modemDeltas = 0;
    return status;
  }

  #takeLineStatus(): number {
    const status =
      LSR_TRANSMITTER_HOLDING_EMPTY |
      LSR_TRANSMITTER_EMPTY |
      (this.#received.length > 0 ? LSR_DATA_READY : 0) |
      (this.#state.overrun ? LSR_OVERRUN : 0);
    this.#state.overrun = false;
    return status;
  }

  /** Reading IIR takes back the transmitter's interrupt, but only when it is the one reported. */
  #identifyInterrupt(): number {
    const source = this.#interruptSource();
    if (source === IIR_TRANSMITTER_EMPTY) this.#state.transmitInterrupt = false;
    return source | (this.#fifosEnabled ? IIR_FIFOS_ENABLED : 0);
  }

  #interruptSource(): number {
    const { interruptEnable, overrun, transmitInterrupt, modemDeltas } = this.#state;
    if ((interruptEnable & IER_LINE_STATUS) !== 0 && overrun) return IIR_LINE_STATUS;
    if ((interruptEnable & IER_RECEIVED_DATA) !== 0 && this.#received.length > 0) {
      return this.#received.length >= this.#triggerLevel() ? IIR_RECEIVED_DATA : IIR_CHARACTER_TIMEOUT;
    }
    if ((interruptEnable & IER_TRANSMITTER_EMPTY) !== 0 && transmitInterrupt) return IIR_TRANSMITTER_EMPTY;
    if ((interruptEnable & IER_MODEM_STATUS) !== 0 && modemDeltas !== 0) return IIR_MODEM_STATUS;
    return IIR_NONE;
  }

  #triggerLevel(): number {
    return this.#fifosEnabled ? TRIGGER_LEVELS[this.#state.fifoControl >> FCR_TRIGGER_SHIFT]! : 1;
  }

  #updateInterrupt(): void {
    this.#wires.interrupt.set(this.#interruptSource() !== IIR_NONE);
  }
}

function modemDeltas(before: number, after: number): number {
  const changed = before ^ after;
  const fallen = before & ~after;
  return (
    ((changed & MSR_CTS) !== 0 ? MSR_DELTA_CTS : 0) |
    ((changed & MSR_DSR) !== 0 ? MSR_DELTA_DSR : 0) |
    ((fallen & MSR_RI) !== 0 ? MSR_TRAILING_EDGE_RI : 0) |
    ((changed & MSR_DCD) !== 0 ? MSR_DELTA_DCD : 0)
  );
}
