/** Sockets of a guest whose history is recorded: what the host did to them, and when, is done again. */
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import type { VsockEvents, VsockStream } from "../../host/devices/virtio/vsock-connection.js";
import type { Border, BorderedMachine } from "../../host/machine/history/border.js";
import { BorderVsock } from "../../host/machine/history/border-vsock.js";
import { readEntries } from "../../host/machine/history/record-entry.js";
import { Recorder } from "../../host/machine/history/recorder.js";
import { Replayer } from "../../host/machine/history/replayer.js";
import { NodeHostServices } from "../../host/platform/node/host-services.js";
import { VirtioBench } from "../contracts/virtio-device-contract.js";
import { FakeRam } from "../devices/fake-ram.js";
import type { MockQueue } from "../devices/virtio/mock-driver.js";

const CID = 5;
// Virtio 1.2 section 5.10.6.
const [REQUEST, RESPONSE, RST, SHUTDOWN, RW] = [1, 2, 3, 4, 5] as const;
const ECHO_PORT = 1024;
const REFUSED_PORT = 7;
const SLOW_PORT = 2048;
const NO_HASH = "00".repeat(16);

function packet(op: number, hostPort: number, text = "", guestPort = 2000): Uint8Array {
  const bytes = Buffer.alloc(44 + text.length);
  bytes.writeBigUInt64LE(BigInt(CID), 0);
  bytes.writeBigUInt64LE(2n, 8);
  bytes.writeUInt32LE(guestPort, 16);
  bytes.writeUInt32LE(hostPort, 20);
  bytes.writeUInt32LE(text.length, 24);
  bytes.writeUInt16LE(1, 28);
  bytes.writeUInt16LE(op, 30);
  bytes.writeUInt32LE(op === SHUTDOWN ? 3 : 0, 32);
  bytes.writeUInt32LE(1 << 16, 36);
  bytes.write(text, 44, "latin1");
  return bytes;
}

/** A machine of nothing but a socket device, whose guest does a thing a slice. */
class SocketMachine implements BorderedMachine {
  readonly clock = "host";
  readonly mtime = 0n;
  retired = 0n;
  readonly device: BorderVsock;
  failure: unknown = null;
  /** What the guest got, and in which slice. */
  readonly seen: string[] = [];
  readonly #border: Border;
  readonly #bench: VirtioBench;
  readonly #toGuest: MockQueue;
  readonly #fromGuest: MockQueue;
  #isHalted = false;

  constructor(border: Border) {
    this.#border = border;
    this.device = new BorderVsock(border, 0, CID);
    this.#bench = new VirtioBench(this.device, new FakeRam(1 << 24));
    const queues = this.#bench.driver.start(undefined, 64) as [MockQueue, MockQueue, MockQueue];
    [this.#toGuest, this.#fromGuest] = queues;
    border.attach(this);
  }

  async run(slices: readonly (readonly Uint8Array[])[], between: (index: number) => Promise<void>): Promise<void> {
    for (const [index, packets] of slices.entries()) {
      for (let ready = this.#border.prepareSlice(); ready !== null; ready = this.#border.prepareSlice()) await ready;
      if (this.#isHalted || this.failure !== null) return;
      this.#border.beginSlice();
      this.#border.startClock(this.#border.isLive ? () => 100 : null);
      this.#look(index);
      for (let count = 0; count < 4; count++) this.#toGuest.add([], [4096]);
      this.#toGuest.kick();
      for (const bytes of packets) this.#fromGuest.send([bytes], []);
      this.#fromGuest.takeUsed();
      this.retired += 1n;
      this.#border.endSlice();
      this.#look(index);
      await this.#border.drainSlice();
      await between(index);
    }
  }

  #look(index: number): void {
    for (const { bytes, byteLength } of this.#toGuest.takeUsed()) {
      this.seen.push(`${index}: ${Buffer.from(bytes.subarray(0, byteLength)).toString("latin1")}`);
    }
  }

  setTime(): void {}
  apply(input: Parameters<BorderedMachine["apply"]>[0]): void {
    if (input.kind === "connect" || input.kind === "stream") this.device.apply(input);
  }
  fireAlarms(): void {}
  now = () => 0n;
  settle = () => this.device.settle();
  forgetWritten(): void {}
  checkHash = () => NO_HASH;
  stateHash = () => NO_HASH;
  context = () => ({ cables: [], readOnly: [] });
  wake(): void {}
  halt(): void {
    this.#isHalted = true;
  }
  fail(error: unknown): void {
    this.failure ??= error;
  }
  drainOwn = async () => {};
  drainAll = async () => {};
}

/** Sends back what comes, at once or some time later. */
function echo(stream: VsockStream, isLate: boolean): VsockEvents {
  const answer = () => {
    while (stream.readableByteLength > 0) stream.write(Buffer.from(stream.read(100)).reverse());
  };
  return {
    readable: () => void (isLate ? setTimeout(answer, 3) : answer()),
    ended: () => stream.end(),
    closed: () => {},
  };
}

test("sockets: what host and guest said is said again in the same slices, without the host", async () => {
  const slices = [
    [packet(REQUEST, ECHO_PORT)],
    [packet(RW, ECHO_PORT, "first"), packet(RW, ECHO_PORT, "second")],
    [packet(REQUEST, REFUSED_PORT), packet(REQUEST, SLOW_PORT, "", 2001)],
    [],
    [packet(RW, SLOW_PORT, "later", 2001)],
    [],
    [],
    // The host's own connection, whose port the guest answers and writes to.
    [packet(RESPONSE, 0xc000_0000, "", 3000), packet(RW, 0xc000_0000, "to the host", 3000)],
    [],
    [packet(SHUTDOWN, ECHO_PORT), packet(RST, SLOW_PORT, "", 2001)],
    [],
  ];
  const pieces: Uint8Array[] = [];
  const recorder = new Recorder({ host: new NodeHostServices(), onFailure: (error) => expect(error).toBeNull() });
  const recorded = new SocketMachine(recorder);
  recorder.begin(
    { history: 1, write: async (piece) => void pieces.push(piece), keep: async () => {}, end: async () => {} },
    () => Promise.reject(new Error("no point is needed")),
  );
  const heard: string[] = [];
  recorded.device.listen(ECHO_PORT, (stream) => echo(stream, false));
  recorded.device.otherListener = async (stream) => {
    await pause(5);
    return stream.hostPort === SLOW_PORT ? echo(stream, true) : null;
  };
  await recorded.run(slices, async (index) => {
    if (index === 5) {
      const stream: VsockStream = recorded.device.connect(3000, {
        opened: () => void stream.write(Buffer.from("hello guest")),
        readable: () => void heard.push(Buffer.from(stream.read(1000)).toString()),
        ended: () => {},
        closed: () => {},
      });
    }
    await pause(10);
  });
  await recorder.drain();
  await recorder.end({ kind: "stopped" });
  expect(heard).toEqual(["to the host"]);
  const said = recorded.seen.map((line) => line.replaceAll(/[^ -~]/g, ""));
  for (const text of ["tsrif", "dnoces", "retal", "hello guest"]) {
    expect(
      said.some((line) => line.endsWith(text)),
      text,
    ).toBe(true);
  }

  const entries = pieces.flatMap((piece) => [...readEntries(piece)]).values();
  const replayed = new SocketMachine(new Replayer({ entries, context: { nowNs: 0n, cables: [], readOnly: [] } }));
  await replayed.run(slices, async () => {});
  expect(replayed.failure).toBeNull();
  expect(replayed.seen).toEqual(recorded.seen);
});
