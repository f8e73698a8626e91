import { beforeEach, describe, expect, test } from "vitest";
import { Plic } from "../../host/devices/plic.js";
import { Uart16550 } from "../../host/devices/uart16550.js";
import { FakeLine } from "./fake-line.js";

// The UART behind the PLIC, as handlers that differ in what they read and when meet it.

const RBR = 0;
const THR = 0;
const IER = 1;
const IIR = 2;
const FCR = 2;
const LSR = 5;
const LSR_DATA_READY = 0x01;
const IIR_TRANSMITTER_EMPTY = 0x02;
const IIR_RECEIVED_DATA = 0x04;
const IIR_CHARACTER_TIMEOUT = 0x0c;

const SOURCE = 10;
const CLAIM = 0x20_0004;
/** More interrupts than any of these need. */
const ENDLESS = 1000;

let hart: FakeLine;
let plic: Plic;
let uart: Uart16550;
let output: string;
let input: string;

beforeEach(() => {
  hart = new FakeLine();
  plic = new Plic([hart]);
  output = "";
  input = "";
  uart = new Uart16550({
    interrupt: plic.line(SOURCE),
    output: {
      write: (bytes) => {
        output += String.fromCharCode(...bytes);
      },
    },
  });
  plic.write(4 * SOURCE, 1, 4);
  plic.write(0x2000, 1 << SOURCE, 4);
  uart.write(FCR, 0x01, 1);
});

const read = (register: number) => uart.read(register, 1);
const type = (text: string) => uart.receive(Uint8Array.from(text, (character) => character.charCodeAt(0)));

/** Takes interrupts until there are none. @returns how many */
function serve(handler: () => void): number {
  let count = 0;
  for (; hart.level && count < ENDLESS; count++) {
    const source = plic.read(CLAIM, 4);
    handler();
    plic.write(CLAIM, source, 4);
  }
  return count;
}

function readCharacter(): void {
  input += String.fromCharCode(read(RBR));
}

describe("a handler that never reads IIR, as that of xv6", () => {
  let unsent: string[];

  const handler = () => {
    while ((read(LSR) & LSR_DATA_READY) !== 0) readCharacter();
    const next = unsent.shift();
    if (next !== undefined) uart.write(THR, next.charCodeAt(0), 1);
  };

  beforeEach(() => {
    unsent = [];
    uart.write(IER, 0x03, 1);
  });

  test("is not interrupted for ever", () => {
    expect(serve(handler)).toBeLessThan(ENDLESS);
  });

  test("sends one character an interrupt until all are sent", () => {
    serve(handler);
    unsent = [..."a longer line than the FIFO holds, and than the interrupts that it gets without a reason\n"];
    const line = unsent.join("");
    handler();
    expect(serve(handler)).toBeLessThan(ENDLESS);
    expect(output).toBe(line);
  });

  test("still hears of what is typed", () => {
    for (const word of ["ls\n", "x", "a line that does not fit into the FIFO\n"]) {
      serve(handler);
      input = "";
      type(word);
      expect(serve(handler)).toBeLessThan(ENDLESS);
      expect(input).toBe(word);
    }
  });
});

describe("a handler that serves one reason an interrupt", () => {
  let sent = 0;

  const handler = () => {
    switch (read(IIR) & 0x0f) {
      case IIR_RECEIVED_DATA:
      case IIR_CHARACTER_TIMEOUT:
        return readCharacter();
      case IIR_TRANSMITTER_EMPTY:
        sent++;
        if (sent < 3) uart.write(THR, 0x2e, 1);
        return;
    }
  };

  test("gets them all, those of lower priority after the others", () => {
    uart.write(IER, 0x03, 1);
    type("twenty characters ok");
    expect(serve(handler)).toBe(20 + 3);
    expect([input, output]).toEqual(["twenty characters ok", ".."]);
  });
});

describe("a handler that serves everything, as that of Linux", () => {
  test("is not interrupted without a reason", () => {
    uart.write(IER, 0x03, 1);
    const reasons: number[] = [];
    const handler = () => {
      reasons.push(read(IIR) & 0x0f);
      while ((read(LSR) & LSR_DATA_READY) !== 0) readCharacter();
      uart.write(THR, 0x2e, 1);
      if (output.length === 5) uart.write(IER, 0x01, 1);
    };
    type("typed");
    expect(serve(handler)).toBe(5);
    expect(reasons).not.toContain(0x01);
  });
});
