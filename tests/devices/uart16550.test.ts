import { beforeEach, describe, expect, test } from "vitest";
import { Uart16550 } from "../../host/devices/uart16550.js";
import { decode, encode } from "../../host/util/schema.js";
import { deviceContract } from "../contracts/device-contract.js";
import { FakeLine } from "./fake-line.js";

const RBR = 0;
const THR = 0;
const IER = 1;
const IIR = 2;
const FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;

let line: FakeLine;
let output: number[];
let uart: Uart16550;

function create(): { device: Uart16550; line: FakeLine; output: number[] } {
  const line = new FakeLine();
  const output: number[] = [];
  return {
    device: new Uart16550({ interrupt: line, output: { write: (bytes) => output.push(...bytes) } }),
    line,
    output,
  };
}

beforeEach(() => {
  ({ device: uart, line, output } = create());
});

const get = (register: number) => uart.read(register, 1);
const set = (register: number, value: number) => uart.write(register, value, 1);
const type = (...characters: number[]) => uart.receive(Uint8Array.from(characters));
const characters = (count: number) => Uint8Array.from({ length: count }, (_, index) => index & 0xff);

describe("uart16550: registers", () => {
  test("after reset no interrupt is pending, the transmitter is empty and the other end ready", () => {
    expect(get(IIR)).toBe(0x01);
    expect(get(LSR)).toBe(0x60);
    expect(get(MSR)).toBe(0xb0);
    expect([get(IER), get(LCR), get(MCR)]).toEqual([0, 0, 0]);
    expect(line.level).toBe(false);
  });

  test("DLAB turns registers 0 and 1 into the divisor latch", () => {
    set(IER, 0x05);
    set(LCR, 0x83);
    set(0, 0x34);
    set(1, 0x12);
    expect([get(0), get(1)]).toEqual([0x34, 0x12]);
    set(0, 0x35);
    expect([get(0), get(1)]).toEqual([0x35, 0x12]);
    set(LCR, 0x03);
    expect(get(IER)).toBe(0x05);
    expect(output).toEqual([]);
    expect(uart.save().divisor).toBe(0x1235);
  });

  test("IER has four bits, MCR five, SCR and LCR eight", () => {
    for (const register of [IER, MCR, SCR, LCR]) set(register, 0xff);
    set(LCR, 0x7f);
    expect([get(IER), get(MCR), get(SCR), get(LCR)]).toEqual([0x0f, 0x1f, 0xff, 0x7f]);
  });

  test("IIR shows in bits 7 and 6 whether the FIFOs are enabled", () => {
    set(FCR, 0x01);
    expect(get(IIR)).toBe(0xc1);
    set(FCR, 0x00);
    expect(get(IIR)).toBe(0x01);
  });

  test("LSR and MSR cannot be written", () => {
    set(LSR, 0xff);
    set(MSR, 0xff);
    expect([get(LSR), get(MSR)]).toEqual([0x60, 0xb0]);
  });

  test("a 32-bit access reaches the one register at its offset", () => {
    uart.write(SCR, 0xaabbccdd, 4);
    expect(uart.read(SCR, 4)).toBe(0xdd);
    expect(uart.read(0x10, 4)).toBe(0);
  });
});

describe("uart16550: transmitter", () => {
  test("what is written to THR goes out, and THR is empty again", () => {
    for (const character of [0x56, 0x69, 0xff]) set(THR, character);
    expect(output).toEqual([0x56, 0x69, 0xff]);
    expect(get(LSR)).toBe(0x60);
  });

  test("enabling the THRE interrupt raises it, each time", () => {
    set(IER, 0x02);
    expect(line.level).toBe(true);
    expect(get(IIR)).toBe(0x02);
    expect(get(IIR)).toBe(0x01);
    expect(line.level).toBe(false);
    set(IER, 0x02);
    expect(line.level).toBe(false);
    set(IER, 0x00);
    set(IER, 0x02);
    expect(get(IIR)).toBe(0x02);
  });

  test("writing THR raises the THRE interrupt again", () => {
    set(IER, 0x02);
    get(IIR);
    set(THR, 0x41);
    expect(line.level).toBe(true);
    expect(get(IIR)).toBe(0x02);
    expect(line.level).toBe(false);
  });

  test("reading IIR does not clear THRE while it reports something of higher priority", () => {
    set(IER, 0x03);
    type(0x41);
    expect(get(IIR)).toBe(0x04);
    expect(get(RBR)).toBe(0x41);
    expect(get(IIR)).toBe(0x02);
    expect(get(IIR)).toBe(0x01);
  });
});

describe("uart16550: receiver", () => {
  test("without FIFOs the buffer holds one character and the others wait", () => {
    expect(type(1, 2, 3)).toBe(3);
    expect(uart.save().received).toEqual(Uint8Array.of(1));
    expect([get(LSR), get(RBR), get(RBR), get(RBR), get(LSR)]).toEqual([0x61, 1, 2, 3, 0x60]);
  });

  test("with FIFOs the buffer holds sixteen characters, in order", () => {
    set(FCR, 0x01);
    uart.receive(characters(40));
    expect(uart.save().received).toEqual(characters(16));
    expect(Array.from({ length: 40 }, () => get(RBR))).toEqual([...characters(40)]);
    expect(get(LSR)).toBe(0x60);
    expect(get(RBR)).toBe(0);
  });

  test("receive takes what there is room for and says how much that was", () => {
    expect(uart.receive(characters(5000))).toBe(4096);
    expect(uart.receive(characters(5000))).toBe(1);
    expect(uart.receive(characters(1))).toBe(0);
    get(RBR);
    expect(uart.receive(characters(5))).toBe(1);
  });

  test.each([
    [0x01, 1],
    [0x41, 4],
    [0x81, 8],
    [0xc1, 14],
  ])("FCR %i: below %i characters the interrupt is a character timeout", (fifoControl, trigger) => {
    set(FCR, fifoControl);
    set(IER, 0x01);
    for (let count = 1; count <= 16; count++) {
      type(count);
      expect(get(IIR)).toBe(count < trigger ? 0xcc : 0xc4);
      expect(line.level).toBe(true);
    }
    for (let count = 0; count < 16; count++) get(RBR);
    expect(get(IIR)).toBe(0xc1);
    expect(line.level).toBe(false);
  });

  test("clearing the receive FIFO drops what it holds; the host's characters behind it follow", () => {
    set(FCR, 0x01);
    uart.receive(characters(18));
    set(FCR, 0x03);
    expect(uart.save().fifoControl).toBe(0x01);
    expect([get(RBR), get(RBR), get(LSR)]).toEqual([16, 17, 0x60]);
  });

  test("switching the FIFOs on or off clears them; FCR without its enable bit programs nothing", () => {
    type(1);
    set(FCR, 0xc1);
    expect(get(LSR)).toBe(0x60);
    type(2);
    set(FCR, 0xc0);
    expect(get(LSR)).toBe(0x60);
    expect(uart.save().fifoControl).toBe(0);
  });
});

describe("uart16550: a line that stays high", () => {
  // What xv6 does: it never reads IIR, so the transmitter's interrupt stays, and others must still be noticed.
  let sets: boolean[];

  beforeEach(() => {
    sets = [];
    uart = new Uart16550({ interrupt: { set: (level) => sets.push(level) }, output: { write: () => {} } });
    set(FCR, 0x01);
    set(IER, 0x03);
    sets.length = 0;
  });

  test("is set again by a character received, and by one transmitted", () => {
    type(0x41);
    expect(sets).toEqual([true]);
    set(THR, 0x42);
    expect(sets).toEqual([true, true]);
  });

  test("is set again when a character read makes room for one that waits", () => {
    uart.receive(characters(17));
    get(RBR);
    expect(sets).toEqual([true, true]);
  });

  test("is not set again by looking at it", () => {
    for (const register of [LSR, MSR, IER, LCR, SCR]) get(register);
    expect(sets).toEqual([]);
  });
});

describe("uart16550: loopback", () => {
  test("transmitted characters come back and do not go out; the host's wait", () => {
    set(MCR, 0x10);
    set(THR, 0x5a);
    type(0x41);
    expect([get(RBR), output.length, get(LSR)]).toEqual([0x5a, 0, 0x60]);
    set(MCR, 0x00);
    expect(get(RBR)).toBe(0x41);
  });

  test("modem control outputs appear as modem status inputs", () => {
    const looped = (outputs: number) => {
      set(MCR, 0x10 | outputs);
      return get(MSR) & 0xf0;
    };
    expect([1, 2, 4, 8].map(looped)).toEqual([0x20, 0x10, 0x40, 0x80]);
  });

  test("changes set the delta bits; RI only when it falls; reading MSR clears them", () => {
    set(MCR, 0x1f);
    get(MSR);
    set(MCR, 0x10);
    expect(get(MSR)).toBe(0x0f);
    expect(get(MSR)).toBe(0x00);
    set(MCR, 0x14);
    expect(get(MSR)).toBe(0x40);
    set(MCR, 0x10);
    expect(get(MSR)).toBe(0x04);
  });

  test("the modem status interrupt lasts until MSR is read", () => {
    set(IER, 0x08);
    set(MCR, 0x10);
    expect(get(IIR)).toBe(0x00);
    expect(line.level).toBe(true);
    get(MSR);
    expect(get(IIR)).toBe(0x01);
    expect(line.level).toBe(false);
  });

  test("overrun with FIFOs: the new character is lost and the line status interrupt lasts until LSR is read", () => {
    set(FCR, 0x01);
    set(IER, 0x05);
    set(MCR, 0x10);
    for (const character of characters(17)) set(THR, character);
    expect(get(IIR)).toBe(0xc6);
    expect(get(LSR)).toBe(0x63);
    expect(get(LSR)).toBe(0x61);
    expect(get(IIR)).toBe(0xc4);
    expect(uart.save().received).toEqual(characters(16));
  });

  test("overrun without FIFOs: the old character is overwritten", () => {
    set(MCR, 0x10);
    set(THR, 1);
    set(THR, 2);
    expect([get(LSR), get(RBR), get(LSR)]).toEqual([0x63, 2, 0x60]);
  });
});

describe("uart16550: state", () => {
  test("characters in the FIFO and behind it survive, and raise the interrupt again", () => {
    set(FCR, 0x81);
    set(IER, 0x01);
    uart.receive(characters(100));
    const restored = create();
    restored.device.load(decode(uart.schema, encode(uart.schema, uart.save())));
    expect(restored.line.level).toBe(true);
    expect(Array.from({ length: 100 }, () => restored.device.read(RBR, 1))).toEqual([...characters(100)]);
  });

  test("a FIFO of 17 characters is refused", () => {
    const saved = encode(uart.schema, { ...uart.save(), received: characters(17) });
    expect(() => decode(uart.schema, saved)).toThrow("ns16550a.received: expected at most 16 bytes, got 17 bytes");
  });
});

deviceContract("uart16550", () => {
  const { device, line } = create();
  return {
    device,
    lines: () => [line.level],
    offsets: [RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR],
    disturb: () => device.receive(characters(11)),
  };
});
