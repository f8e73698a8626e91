import { describe, expect, test } from "vitest";
import { GENERATION_ID_BYTE_LENGTH, GenerationId } from "../../host/devices/generation-id.js";
import { deviceContract } from "../contracts/device-contract.js";
import { FakeLine } from "./fake-line.js";

const ID = Uint8Array.from({ length: GENERATION_ID_BYTE_LENGTH }, (_, index) => 0x10 + index);
const OTHER = Uint8Array.from({ length: GENERATION_ID_BYTE_LENGTH }, (_, index) => 0xf0 - index);

function create() {
  const interrupt = new FakeLine();
  const device = new GenerationId({ interrupt, id: ID });
  return {
    device,
    interrupt,
    lines: () => [interrupt.level],
    offsets: [0, 4, 8, 12, 16],
    disturb: () => device.renewIdentity((into) => into.set(OTHER)),
  };
}

deviceContract("generation id", create);

describe("generation id", () => {
  test("the id reads in bytes and in words, low byte first; beyond it there are zeros", () => {
    const { device } = create();
    const bytes = Array.from({ length: GENERATION_ID_BYTE_LENGTH }, (_, offset) => device.read(offset, 1));
    expect(bytes).toEqual([...ID]);
    expect(device.read(4, 4)).toBe(0x17161514);
    expect(device.read(14, 4)).toBe(0x00001f1e);
    expect(device.read(16, 4)).toBe(0);
  });

  test("a change raises the interrupt, reading the id lowers it", () => {
    const { device, interrupt } = create();
    expect(interrupt.level).toBe(false);
    device.renewIdentity((into) => into.set(OTHER));
    expect(interrupt.level).toBe(true);
    device.read(16, 4);
    expect(interrupt.level).toBe(true);
    expect(device.read(0, 1)).toBe(OTHER[0]);
    expect(interrupt.level).toBe(false);
  });

  test("writing changes nothing", () => {
    const { device } = create();
    device.write();
    expect(device.read(0, 4)).toBe(0x13121110);
  });
});
