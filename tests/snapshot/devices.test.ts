/** A machine with one of everything is captured whole, and goes on connected to what is there then. */
import { describe, expect, test } from "vitest";
import { boardSchema } from "../../host/machine/board-state.js";
import type { MachineOptions } from "../../host/machine/machine.js";
import type { Frame, Link, Station } from "../../host/network/link.js";
import { MemoryFolder } from "../../host/share/memory-folder.js";
import { decode } from "../../host/util/schema.js";
import { CountingMachine } from "./counting-machine.js";

/** A link that only notes who is plugged in. */
class NotedLink implements Link {
  station: Station | null = null;

  connect(station: Station): void {
    this.station = station;
  }
  send(_frame: Frame): boolean {
    return true;
  }
  resume(): void {}
  async close(): Promise<void> {}
}

const folder = () => new MemoryFolder({ nowNs: () => 0n });

function everything(): Partial<MachineOptions> {
  return {
    networks: [
      { link: new NotedLink(), mtu: 9000 },
      { link: new NotedLink(), mac: Uint8Array.of(2, 0, 0, 0, 0, 9) },
    ],
    shares: [
      { folder: folder(), tag: "work" },
      { folder: folder(), tag: "tools" },
    ],
    socketCids: [7],
    balloonCount: 1,
    inputs: [{ kind: "tablet" }, { kind: "keyboard" }],
    entropySourceCount: 2,
  };
}

describe("a machine with one of everything", () => {
  test("every device is in what is captured, and goes on as it was", async () => {
    const original = await CountingMachine.create(everything());
    original.machine.balloons[0]!.setTarget(4 << 20);
    original.machine.inputs[1]!.key(30, true);
    await original.runUntil(3);
    const state = await original.machine.capture();
    for (const name of original.machine.devices.keys()) expect(state.parts.has(name), name).toBe(true);
    const copy = await CountingMachine.resume(state, original.dots);
    await original.runUntil(6);
    await copy.runUntil(6);
    expect(copy.machine.stateHash()).toBe(original.machine.stateHash());
    expect(copy.machine.inputs.map(({ kind }) => kind)).toEqual(["tablet", "keyboard"]);
  });

  test("its network devices are plugged into what they are given; the cable of one without is out", async () => {
    const original = await CountingMachine.create(everything());
    const link = new NotedLink();
    const copy = await CountingMachine.resume(await original.machine.capture(), 0, { links: [undefined, link] });
    expect(link.station).not.toBeNull();
    // The guest's driver is told of a cable when it is there; one that begins anew sees it as it is.
    for (const device of copy.machine.networks) device.reset();
    expect(copy.machine.networks.map(({ linkUp }) => linkUp)).toEqual([false, true]);
    const [first, second] = copy.machine.networks.map(({ config }) => [...config]);
    expect(first!.slice(0, 6)).toEqual([0x52, 0x54, 0x00, 0x12, 0x34, 0x56]);
    expect(first!.slice(10, 12)).toEqual([9000 & 0xff, 9000 >> 8]);
    expect(second!.slice(0, 6)).toEqual([2, 0, 0, 0, 0, 9]);
  });

  test("what it does not have it cannot be given", async () => {
    const original = await CountingMachine.create(everything());
    const state = await original.machine.capture();
    await expect(
      CountingMachine.resume(state, 0, { shares: [{ folder: folder(), tag: "other" }] }),
    ).rejects.toMatchObject({ code: "machine/shares" });
    const links = [new NotedLink(), new NotedLink(), new NotedLink()];
    await expect(CountingMachine.resume(state, 0, { links })).rejects.toMatchObject({ code: "machine/networks" });
  });

  test("the state of one is no state for a machine without", async () => {
    const original = await CountingMachine.create(everything());
    const plain = await CountingMachine.create();
    const state = await original.machine.capture();
    await expect(plain.machine.restore(state)).rejects.toMatchObject({ code: "machine/other-board" });
  });
});

test("a board of version 1 is one with nothing but disks, ports and an entropy source", () => {
  const old = {
    hartCount: 1,
    memoryByteLength: 4096,
    clock: "host",
    firmware: "guest",
    htif: null,
    ports: [],
    drives: [],
  };
  const board = decode(boardSchema, { name: "board", version: 1, fields: old });
  expect(board).toMatchObject({ entropySourceCount: 1, networks: [], shares: [], socketCids: [], balloonCount: 0 });
  expect(board.inputs).toEqual([]);
});
