/** Networks, folders, sockets, balloons and input devices of machines in workers, with the default image. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Frame, type Link, Machine, type NetworkOptions, NetworkSwitch, type Station } from "../../host/index.js";
import { hasApt } from "../images/requirements.js";
import { TEST_CACHE, testImage } from "../images/test-image.js";
import { longTest } from "../long-test.js";

const MIB = 1024 * 1024;
/** For what a guest does in its own time. */
const SOON = { timeout: 20_000 };

/** A server on the loopback interface that answers each connection with a text, and what it has read. */
async function textServer(text: string): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, port: (server.address() as { port: number }).port };
}

/** A port of the loopback interface that nobody has. */
async function freePort(): Promise<number> {
  const { server, port } = await textServer("");
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** All that a server says. */
function readFrom(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = new Socket().connect(port, "127.0.0.1");
    let text = "";
    socket.setEncoding("latin1");
    socket.on("data", (part: string) => {
      text += part;
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(text));
  });
}

const hostSays = async (machine: Machine, port: number) =>
  (await machine.exec(`nc -w 3 10.0.2.2 ${port} < /dev/null; true`)).stdout;

// Without apt there is nothing to build the image with.
describe.skipIf(!hasApt)("a machine's devices", { timeout: 180_000 }, () => {
  let directory: string;
  let host: { server: Server; port: number };

  beforeAll(async () => {
    process.env.VIV_CACHE_DIR ??= TEST_CACHE;
    await testImage();
    directory = await mkdtemp(join(tmpdir(), "vivarium-devices-"));
    host = await textServer("from the host\n");
  });
  afterAll(async () => {
    host?.server.close();
    await rm(directory, { recursive: true, force: true });
  });

  const create = (...networks: NetworkOptions[]) => Machine.create({ memoryMiB: 128, networks });

  test("a network of kind user reaches the host, by a port of the host the guest is reached, and rules change", async () => {
    const port = await freePort();
    await using machine = await create({
      kind: "user",
      forwards: [`127.0.0.1:${port}:7`],
      egress: ["deny 192.0.2.0/24"],
    });
    expect(await hostSays(machine, host.port)).toBe("from the host\n");
    await machine.spawn("while :; do echo from the guest | nc -l -p 7; done");
    await expect.poll(() => readFrom(port), SOON).toBe("from the guest\n");
    const other = await freePort();
    const [network] = machine.networks;
    const end = await network!.addForward(`127.0.0.1:${other}:7`);
    await expect.poll(() => readFrom(other), SOON).toBe("from the guest\n");
    await end();
    await expect(readFrom(other)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    network!.setEgress([`deny tcp:127.0.0.1`, `deny tcp:10.0.2.2:${host.port}`]);
    expect(await hostSays(machine, host.port)).toBe("");
    network!.setEgress([]);
    expect(await hostSays(machine, host.port)).toBe("from the host\n");
  });

  test("the cable can be pulled, the device plugged into something else, and the rate set while it runs", async () => {
    await using machine = await create({ kind: "user", mac: "52:54:00:aa:bb:01" }, { kind: "unplugged" });
    const carrier = async (name: string) => (await machine.exec(`cat /sys/class/net/${name}/carrier`)).stdout.trim();
    const address = await machine.exec("cat /sys/class/net/eth0/address");
    expect(address.stdout).toBe("52:54:00:aa:bb:01\n");
    expect([await carrier("eth0"), await carrier("eth1")]).toEqual(["1", "0"]);
    const [first, second] = machine.networks;
    first!.setLinkUp(false);
    await expect.poll(() => carrier("eth0"), SOON).toBe("0");
    first!.setLinkUp(true);
    await expect.poll(() => carrier("eth0"), SOON).toBe("1");
    await second!.plug({ kind: "user" });
    await expect.poll(() => carrier("eth1"), SOON).toBe("1");
    await second!.unplug();
    await expect.poll(() => carrier("eth1"), SOON).toBe("0");
    expect(() => second!.setEgress([])).toThrow(expect.objectContaining({ code: "network/unsupported" }));
    await expect(second!.addForward("127.0.0.1:1:1")).rejects.toMatchObject({ code: "network/unsupported" });

    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.end(Buffer.alloc(MIB));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    first!.setRate({ ceiling: { bytesPerSecond: MIB, burstByteLength: 65_536 } });
    const start = performance.now();
    expect((await machine.exec(`nc -w 5 10.0.2.2 ${port} < /dev/null | wc -c`)).stdout.trim()).toBe(String(MIB));
    expect(performance.now() - start).toBeGreaterThan(900);
    server.close();
  });

  longTest("machines of one program reach each other by a switch", async () => {
    const lan = new NetworkSwitch();
    await using a = await create({ kind: "switch", switch: lan });
    await using b = await create({ kind: "switch", switch: lan });
    const macs = await Promise.all([a, b].map((machine) => machine.exec("cat /sys/class/net/eth0/address")));
    expect(macs[0]!.stdout).not.toBe(macs[1]!.stdout);
    await a.exec("ifconfig eth0 192.0.2.1 netmask 255.255.255.0");
    await b.exec("ifconfig eth0 192.0.2.2 netmask 255.255.255.0");
    // Its input has no end: otherwise it would tell the other side at once that it is done.
    const listening = b.exec("mkfifo /tmp/open; nc -l -p 9 <> /tmp/open | sha256sum");
    const sum = await a.exec(
      "head -c 3000000 /dev/urandom > /tmp/data; sleep 1; nc 192.0.2.2 9 < /tmp/data; sha256sum < /tmp/data",
    );
    expect((await listening).stdout).toBe(sum.stdout);
  });

  test("a link of the program's own gets what the guest sends, and the guest what it sends", async () => {
    const frames: Frame[] = [];
    let station: Station | null = null;
    const link: Link = {
      connect: (to) => {
        station = to;
      },
      send: (frame) => {
        frames.push(frame);
        return true;
      },
      resume: () => {},
      close: async () => {},
    };
    await using machine = await create({ kind: "link", link, mac: "52:54:00:00:00:07" });
    await machine.exec("ifconfig eth0 192.0.2.1 netmask 255.255.255.0; ping -c 1 -W 1 192.0.2.99; true");
    const arp = frames.find(({ bytes }) => bytes[12] === 8 && bytes[13] === 6 && bytes[41] === 99);
    expect([...arp!.bytes.subarray(6, 12)]).toEqual([0x52, 0x54, 0, 0, 0, 7]);
    expect(station).not.toBeNull();
    // An answer: 02:00:00:00:00:63 has 192.0.2.99.
    const answer = Uint8Array.from(arp!.bytes);
    answer.set(arp!.bytes.subarray(6, 12), 0);
    answer.set([2, 0, 0, 0, 0, 0x63], 6);
    answer.set([0, 2, 2, 0, 0, 0, 0, 0x63, 192, 0, 2, 99, ...arp!.bytes.subarray(6, 12), 192, 0, 2, 1], 20);
    station!.receive({ bytes: answer, checksum: null, segmentation: null });
    await expect
      .poll(async () => (await machine.exec("cat /proc/net/arp")).stdout, SOON)
      .toMatch(/192\.0\.2\.99 .*02:00:00:00:00:63/);
  });

  test("connections of a guest that is put back are reset, and it makes new ones; a fork has a way out of its own", async () => {
    await using machine = await create({ kind: "user" });
    await machine.ready();
    const before = await machine.snapshot();
    await machine.exec(`nc 10.0.2.2 ${host.port} < /dev/null`);
    await machine.restore(before);
    expect(await hostSays(machine, host.port)).toBe("from the host\n");
    const [fork] = await machine.fork();
    expect(await hostSays(fork!, host.port)).toBe("from the host\n");
    expect(await hostSays(machine, host.port)).toBe("from the host\n");
    await fork!.close();
  });

  test("forks have network addresses and machine ids of their own, keep them when they restart, and are on the network", async () => {
    await using machine = await create({ kind: "user" });
    const identity = "cat /etc/machine-id /sys/class/net/eth0/address";
    await machine.exec("echo 0123456789abcdef0123456789abcdef > /etc/machine-id");
    const before = (await machine.exec(identity)).stdout;
    const forks = await machine.fork({ count: 2 });
    const [a, b] = forks as [Machine, Machine];
    const [kept] = await machine.fork({ identity: "kept" });
    const identities = new Set<string>();
    for (const fork of forks) {
      await expect.poll(async () => (await fork.exec(identity)).stdout, SOON).not.toBe(before);
      identities.add((await fork.exec(identity)).stdout);
      await expect.poll(() => hostSays(fork, host.port), SOON).toBe("from the host\n");
    }
    expect(identities.size).toBe(2);
    for (const each of identities) expect(each).toMatch(/^[0-9a-f]{32}\n52:54:00(:[0-9a-f]{2}){3}\n$/);
    expect((await machine.exec(identity)).stdout).toBe(before);
    expect((await kept!.exec(identity)).stdout).toBe(before);
    const address = (await a.exec("cat /sys/class/net/eth0/address")).stdout;
    await a.reset();
    expect((await a.exec("cat /sys/class/net/eth0/address")).stdout).toBe(address);
    // A copy of the copy.
    const [next] = await b.fork();
    const ofB = (await b.exec(identity)).stdout;
    await expect.poll(async () => (await next!.exec(identity)).stdout, SOON).not.toBe(ofB);
    await Promise.all([a, b, kept!, next!].map((fork) => fork.close()));
  });

  longTest("what a saved machine is connected to is given again when it is opened", async () => {
    const file = join(directory, "connected.viv");
    const shared = await mkdtemp(join(directory, "share-"));
    await writeFile(join(shared, "a"), "in the folder\n");
    {
      await using machine = await Machine.create({
        memoryMiB: 128,
        networks: [{ kind: "user" }],
        shares: [{ directory: shared, mountPoint: "/mnt/work" }],
        sockets: [{ cid: 5 }],
        balloon: true,
        inputs: ["keyboard"],
      });
      expect((await machine.exec("cat /mnt/work/a; echo from the guest > /mnt/work/b")).stdout).toBe("in the folder\n");
      expect(await readFile(join(shared, "b"), "utf8")).toBe("from the guest\n");
      await machine.save(file);
    }
    {
      await using machine = await Machine.open(file);
      expect(machine.networks).toHaveLength(1);
      expect(machine.inputs).toHaveLength(1);
      expect(await hostSays(machine, host.port)).toBe("");
      expect((await machine.exec("cat /mnt/work/a")).exitCode).not.toBe(0);
      await machine.networks[0]!.plug({ kind: "user" });
      await expect.poll(() => hostSays(machine, host.port), SOON).toBe("from the host\n");
    }
    const path = join(directory, "sockets");
    await using machine = await Machine.open(file, {
      networks: [{ kind: "user" }],
      shares: [{ directory: shared, tag: "share0" }],
      sockets: [{ path }],
      translate: "off",
    });
    expect((await machine.exec("cat /mnt/work/a")).stdout).toBe("in the folder\n");
    await expect.poll(() => hostSays(machine, host.port), SOON).toBe("from the host\n");
    const refused = new Socket().connect(path);
    const closed = new Promise((resolve) => refused.on("close", resolve));
    refused.write("CONNECT 1\n");
    await closed;
    await machine.close();
    await expect(Machine.open(file, { networks: [{ kind: "user" }, { kind: "user" }] })).rejects.toMatchObject({
      code: "machine/networks",
    });
    await expect(Machine.open(file, { shares: [{ directory: shared, tag: "other" }] })).rejects.toMatchObject({
      code: "machine/shares",
    });
    await expect(Machine.open(file, { sockets: [{ path }, { path: `${path}2` }] })).rejects.toMatchObject({
      code: "machine/sockets",
    });
  });

  test("a balloon takes memory and gives it back", async () => {
    await using machine = await Machine.create({ memoryMiB: 128, balloon: true });
    const freeMiB = async () =>
      Number(/MemFree: +(\d+)/.exec((await machine.exec("cat /proc/meminfo")).stdout)![1]) / 1024;
    const before = await freeMiB();
    await machine.balloon.setTarget(32 * MIB);
    await expect.poll(async () => (await machine.balloon.state()).byteLength, SOON).toBe(32 * MIB);
    expect(before - (await freeMiB())).toBeGreaterThan(25);
    expect((await machine.stats()).balloon).toMatchObject({ targetByteLength: 32 * MIB });
    const told = await machine.balloon.statistics();
    const total = /MemTotal: +(\d+)/.exec((await machine.exec("cat /proc/meminfo")).stdout)![1];
    expect(Number(told!.totalByteLength)).toBe(Number(total) * 1024);
    await machine.balloon.setTarget(0);
    await expect.poll(async () => (await machine.balloon.state()).byteLength, SOON).toBe(0);
    await expect(machine.balloon.setTarget(1)).rejects.toMatchObject({ code: "balloon/target" });
    await using plain = await create();
    await expect(plain.balloon.setTarget(0)).rejects.toMatchObject({ code: "balloon/absent" });
  });

  test("a keyboard's keys arrive, and what no keyboard has is refused", async () => {
    await using machine = await Machine.create({ memoryMiB: 128, inputs: ["keyboard"] });
    const run = await machine.spawn("exec 3< /dev/input/event0; echo ready; head -c 48 <&3 | od -An -tx1 -v");
    const reader = run.stdout.getReader();
    await reader.read();
    const [keyboard] = machine.inputs;
    // KEY_A of Linux is 30.
    keyboard!.key(30, true);
    keyboard!.key(30, false);
    let text = "";
    for (let next = await reader.read(); !next.done; next = await reader.read()) text += Buffer.from(next.value);
    const bytes = text
      .trim()
      .split(/\s+/)
      .map((byte) => Number.parseInt(byte, 16));
    // struct input_event: 16 bytes of time, type, code, value.
    expect(bytes.slice(16, 24)).toEqual([1, 0, 30, 0, 1, 0, 0, 0]);
    expect(bytes.slice(40, 44)).toEqual([0, 0, 0, 0]);
    expect(() => keyboard!.moveTo(1, 1)).toThrow(expect.objectContaining({ code: "input/unknown" }));
  });

  test.each([
    [{ networks: [{ kind: "user", mac: "no" }] }, "option/invalid"],
    [{ networks: [{ kind: "user", mtu: 5 }] }, "option/invalid"],
    [{ networks: [{ kind: "user", forwards: ["x"] }] }, "option/invalid"],
    [{ networks: [{ kind: "user", egress: ["perhaps"] }] }, "option/invalid"],
    [{ networks: [{ kind: "user", rate: "quick" }] }, "option/invalid"],
    [
      { networks: [{ kind: "user" }, { kind: "user" }, { kind: "user" }, { kind: "user" }, { kind: "user" }] },
      "machine/network-devices",
    ],
    [{ shares: [{ directory: "/no/such" }] }, "share/unusable"],
    [{ shares: [{ directory: {} }] }, "share/unusable"],
    [{ shares: [{ directory: "/tmp", tag: "a b" }] }, "option/invalid"],
    [{ sockets: [{ cid: 2 }] }, "option/invalid"],
    [{ balloon: { byteLength: 1 } }, "option/invalid"],
    [{ inputs: ["mouse"] }, "option/invalid"],
    [{ translate: "perhaps" }, "option/invalid"],
  ] as unknown as [object, string][])("create refuses what cannot be with a code: %#", async (options, code) => {
    await expect(Machine.create({ memoryMiB: 128, ...options })).rejects.toMatchObject({ name: "VivariumError", code });
  });
});
