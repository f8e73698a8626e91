import { describe, expect, test } from "vitest";
import { VirtioConsolePort } from "../../host/devices/virtio/console-port.js";
import { MachinePort } from "../../host/machine/machine-port.js";

/** A port whose guest end takes bytes when it is told to. */
function setUp() {
  const device = new VirtioConsolePort(1, { name: "test", receive: () => {}, writable: () => port.feed() }, () => {});
  const port: MachinePort = new MachinePort(device);
  /** What the guest reads until nothing is left. */
  const read = (): Buffer => {
    const parts: Uint8Array[] = [];
    for (;;) {
      const part = device.take(1000);
      if (part.length === 0) return Buffer.concat(parts);
      parts.push(part);
      device.offerRoom();
    }
  };
  return { device, port, read };
}

describe("machine port", () => {
  test("bytes wait for the guest, in order, however many", () => {
    const { port, read } = setUp();
    const sent = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251));
    port.write(sent.subarray(0, 7));
    port.write(sent.subarray(7, 200_000));
    port.write(sent.subarray(200_000));
    expect(read().equals(sent)).toBe(true);
  });

  test("a message is with the device whole or not at all, so that a saved machine has no half one", () => {
    const { device, port } = setUp();
    // The device holds 65,536 bytes: two of these fit, and a part of the third would.
    for (let message = 0; message < 3; message++) port.write(new Uint8Array(30_000));
    expect(device.save().waiting.length).toBe(60_000);
    device.take(1000);
    device.offerRoom();
    expect(device.save().waiting.length).toBe(59_000);
    device.take(29_000);
    device.offerRoom();
    expect(device.save().waiting.length).toBe(60_000);
  });

  test("what is discarded never reaches the guest, and what comes after does", () => {
    const { port, read } = setUp();
    for (let message = 0; message < 4; message++) port.write(new Uint8Array(30_000).fill(message));
    port.discard();
    port.write(Uint8Array.of(9));
    expect([...new Set(read())]).toEqual([0, 1, 9]);
  });

  test("what was written is the port's: changing it afterwards changes nothing", () => {
    const { port, read } = setUp();
    const bytes = Uint8Array.from({ length: 100_000 }, () => 1);
    port.write(bytes);
    bytes.fill(2);
    expect(new Set(read())).toEqual(new Set([1]));
  });

  test("the end of the stream comes after everything written", () => {
    const { device, port, read } = setUp();
    port.write(new Uint8Array(100_000));
    port.close();
    expect(device.hostOpen).toBe(true);
    expect(read().length).toBe(100_000);
    expect(device.hostOpen).toBe(false);
  });

  test("writing after close is our own mistake", () => {
    const { port } = setUp();
    port.close();
    expect(() => port.write(Uint8Array.of(1))).toThrow("port test: write after close");
  });
});
