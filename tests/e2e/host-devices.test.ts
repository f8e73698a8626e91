/** Sockets, balloon, input and entropy under Linux's own drivers, used by the API. */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { VsockStream } from "../../host/devices/virtio/vsock-connection.js";
import { VsockSockets } from "../../host/platform/node/vsock-sockets.js";
import { buildGuestProgram, GUEST_COMPILER, GUEST_LIBRARY } from "../guests/build.js";
import { hasApt } from "../images/requirements.js";
import { testImage } from "../images/test-image.js";
import { MachineConsole } from "./machine-console.js";
import { needs } from "./requirements.js";

const MIB = 1 << 20;
const work = mkdtempSync(join(tmpdir(), "viv-devices-"));
const lights: string[] = [];
let guest: MachineConsole | null = null;

beforeAll(async () => {
  if (!hasApt) return;
  guest = await MachineConsole.boot(await testImage(), {
    socketCids: [3],
    balloonCount: 1,
    inputs: [
      { kind: "keyboard", onEvent: ({ type, code, value }) => lights.push(`${type} ${code} ${value}`) },
      { kind: "tablet" },
    ],
    entropySourceCount: 2,
  });
});
afterAll(async () => {
  await guest?.end();
  rmSync(work, { recursive: true });
});

function console(context: { skip(reason: string): void }): MachineConsole {
  if (guest === null) context.skip("Debian's apt is missing: there is nothing to build the guest with");
  return guest!;
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const untilMs = Date.now() + 40_000; !condition(); ) {
    if (Date.now() > untilMs) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** What the host's end of a stream does: collects what comes, and sends as the guest makes room. */
class HostEnd {
  readonly received: Uint8Array[] = [];
  stream: VsockStream | null = null;
  hasEnded = false;
  isClosed = false;
  #rest: Uint8Array;
  constructor(toSend: Uint8Array) {
    this.#rest = toSend;
  }
  opened(): void {
    this.writable();
  }
  readable(): void {
    if (this.stream !== null) this.received.push(this.stream.read(1 << 20));
  }
  writable(): void {
    if (this.stream === null) return;
    this.#rest = this.#rest.subarray(this.stream.write(this.#rest));
    if (this.#rest.length === 0) this.stream.end();
  }
  ended(): void {
    this.hasEnded = true;
  }
  closed(): void {
    this.isClosed = true;
  }
}

const digest = (...parts: readonly Uint8Array[]) => createHash("sha256").update(Buffer.concat(parts)).digest("hex");

test("sockets: host and guest connect to each other, and a megabyte comes back unchanged", async (context) => {
  needs(context, GUEST_COMPILER, GUEST_LIBRARY);
  const linux = console(context);
  buildGuestProgram("socket", work);
  linux.give("socket", readFileSync(join(work, "socket")));
  const [socket] = linux.machine.sockets;
  linux.start("/t/socket echo 1000 3");
  await linux.expect("listening");
  const bytes = Uint8Array.from({ length: MIB }, (_, index) => (index * 7 + (index >> 9)) & 0xff);
  const ends = [1, 2, 3].map(() => new HostEnd(bytes));
  for (const end of ends) end.stream = socket!.connect(1000, end);
  await until("the guest has sent everything back", () => ends.every(({ isClosed }) => isClosed));
  for (const end of ends) expect(digest(...end.received)).toBe(digest(bytes));
  await linux.finished();

  const server = new HostEnd(new TextEncoder().encode("from the host\n"));
  const stop = socket!.listen(2000, (stream) => {
    server.stream = stream;
    queueMicrotask(() => server.writable());
    return server;
  });
  expect(await linux.run("seq 1 20000 | /t/socket send 2000")).toBe("from the host\n");
  stop();
  const numbers = Array.from({ length: 20_000 }, (_, index) => `${index + 1}\n`).join("");
  await until("the host has everything", () => server.hasEnded);
  expect(digest(...server.received)).toBe(digest(Buffer.from(numbers)));
  expect(await linux.run("/t/socket send 2001 < /dev/null")).toMatch(/connect: Connection (reset by peer|refused)/);
  await until("nothing is left", () => socket!.connectionCount === 0);
});

test("sockets: programs of the host reach the guest, and it reaches them, by Unix sockets", async (context) => {
  needs(context, GUEST_COMPILER, GUEST_LIBRARY);
  const linux = console(context);
  buildGuestProgram("socket", work);
  linux.give("unix", readFileSync(join(work, "socket")));
  const path = join(work, "guest");
  const sockets = await VsockSockets.open(path);
  sockets.attach(linux.machine.sockets[0]!);
  const server = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  await new Promise<void>((resolve) => server.listen(`${path}_3000`, resolve));
  try {
    linux.start("/t/unix echo 4000 1");
    await linux.expect("listening");
    const bytes = Buffer.alloc(300_000, "0123456789");
    const talk = async (toSend: string | Buffer) => {
      const socket = connect({ path, allowHalfOpen: true });
      const received: Buffer[] = [];
      socket.on("data", (data: Buffer) => received.push(data)).on("error", () => {});
      socket.end(toSend);
      await new Promise((resolve) => socket.once("close", resolve));
      return Buffer.concat(received);
    };
    const answer = await talk(Buffer.concat([Buffer.from("CONNECT 4000\n"), bytes]));
    expect(answer.toString("latin1", 0, 20)).toMatch(/^OK \d+\n0123/);
    expect(answer.subarray(answer.indexOf(10) + 1).equals(bytes)).toBe(true);
    await linux.finished();
    for (const wrong of ["CONNECT 4001\n", "HELLO\n", "CONNECT 99999999999\n", `CONNECT ${"1".repeat(100)}`]) {
      expect((await talk(wrong)).length, wrong).toBe(0);
    }
    expect(await linux.run("echo hello | /t/unix send 3000")).toBe("hello\n");
    expect(await linux.run("/t/unix send 3001 < /dev/null")).toMatch(/connect: Connection (reset by peer|refused)/);
  } finally {
    linux.machine.sockets[0]!.otherListener = null;
    await sockets.close();
    server.close();
  }
  expect(existsSync(path)).toBe(false);
  await expect(VsockSockets.open(join(work, "none/guest"))).rejects.toThrow("cannot be made");
});

test("balloon: memory goes to the host and back as it is told, and the guest says what it has", async (context) => {
  const linux = console(context);
  const [balloon] = linux.machine.balloons;
  const total = async () =>
    Number(await linux.run("sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo")) / 1024;
  const before = await total();
  const { residentByteLength } = linux.machine.memoryUsage;
  balloon!.setTarget(64 * MIB);
  await until("the guest has given 64 MiB", () => balloon!.byteLength === 64 * MIB);
  expect(before - (await total())).toBe(64);
  // The host need not first have what it is given.
  expect(linux.machine.memoryUsage.residentByteLength - residentByteLength).toBeLessThan(16 * MIB);
  const statistics = await balloon!.statistics();
  expect(Number(statistics?.totalByteLength) / MIB).toBeCloseTo(before - 64, 0);
  expect(statistics?.freeByteLength).toBeGreaterThan(0n);
  balloon!.setTarget(0);
  await until("the guest has it all back", () => balloon!.byteLength === 0);
  expect(await total()).toBe(before);
});

test("balloon: memory that the guest does not use any more is zero, by itself and when it is asked", async (context) => {
  const linux = console(context);
  const [balloon] = linux.machine.balloons;
  // Only free blocks of 2 MiB and more are reported: of little memory, what is free lies in smaller ones.
  const fill = "for n in $(seq 60); do cat /run/mega; done > /run/big";
  await linux.run(`head -c 1000000 /dev/urandom > /run/mega; ${fill}`);
  // The guest may report before it has answered; and how much of this lies in such blocks is by chance.
  const before = balloon!.givenByteLength;
  await linux.run("rm /run/big");
  await until("the guest has reported free pages", () => balloon!.givenByteLength >= before + 2 * MIB);
  await linux.run(`${fill}; rm /run/big`);
  const asked = balloon!.givenByteLength;
  await balloon!.takeFreePages();
  expect(balloon!.givenByteLength - asked).toBeGreaterThan(8 * MIB);
});

test("input: what is typed and pointed at arrives, and the keyboard's lights are heard", async (context) => {
  const linux = console(context);
  const [keyboard, tablet] = linux.machine.inputs;
  const names = await linux.run("cat /sys/class/input/event*/device/name");
  expect(names.split("\n").slice(0, 2).sort()).toEqual(["Vivarium keyboard", "Vivarium tablet"]);
  const device = async (name: string) =>
    (
      await linux.run(`for e in /sys/class/input/event*; do grep -q ${name} $e/device/name && echo \${e##*/}; done`)
    ).trim();
  const read = async (event: string, count: number, act: () => void) => {
    linux.start(`dd if=/dev/input/${event} bs=24 count=${count} 2> /dev/null | hexdump -v -e '24/1 "%02x" "\\n"'`);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    act();
    const lines = (await linux.finished()).match(/^[0-9a-f]{48}$/gm) ?? [];
    // struct input_event of 64-bit Linux: 16 bytes of time, type u16, code u16, value s32.
    return lines.map((line) => {
      const bytes = Buffer.from(line, "hex");
      return [bytes.readUInt16LE(16), bytes.readUInt16LE(18), bytes.readInt32LE(20)];
    });
  };
  const typed = await read(await device("keyboard"), 4, () => {
    keyboard!.key(30, true);
    keyboard!.key(30, false);
  });
  expect(typed).toEqual([
    [1, 30, 1],
    [0, 0, 0],
    [1, 30, 0],
    [0, 0, 0],
  ]);
  const pointed = await read(await device("tablet"), 3, () => tablet!.moveTo(1234, 31_000));
  expect(pointed).toEqual([
    [3, 0, 1234],
    [3, 1, 31_000],
    [0, 0, 0],
  ]);
  // A light is an event that a program writes.
  const event = await device("keyboard");
  await linux.run(
    `printf '\\0%.0s' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 > /t/led; printf '\\21\\0\\1\\0\\1\\0\\0\\0' >> /t/led; cat /t/led > /dev/input/${event}`,
  );
  await until("caps lock is lit", () => lights.includes("17 1 1"));
});

test("entropy: Linux has both sources, and numbers come out of them", async (context) => {
  const linux = console(context);
  expect((await linux.run("cat /sys/class/misc/hw_random/rng_available")).trim().split(" ").sort()).toEqual([
    "none",
    "virtio_rng.0",
    "virtio_rng.1",
  ]);
  expect(
    await linux.run(
      "echo virtio_rng.1 > /sys/class/misc/hw_random/rng_current; dd if=/dev/hwrng bs=64 count=4 2> /dev/null | wc -c",
    ),
  ).toBe("256\n");
});
