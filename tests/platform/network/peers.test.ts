/** Other programs at the far end of our links: QEMU's guests, tcpdump, a browser's WebSocket. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, get, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { Nat } from "../../../host/network/nat/nat.js";
import { CapturedLink, pcapFileHeader } from "../../../host/network/pcap.js";
import { Switch } from "../../../host/network/switch.js";
import { NodeOutside } from "../../../host/platform/node/network/outside.js";
import { Relay, type RelayOptions } from "../../../host/platform/node/network/relay.js";
import { SocketLink } from "../../../host/platform/node/network/socket-link.js";
import { WebSocketLink } from "../../../host/platform/node/network/websocket-link.js";
import { defaultImage } from "../../e2e/default-image.js";
import { needs, QEMU, TCPDUMP } from "../../e2e/requirements.js";
import { execInQemu } from "../../images/qemu-guest.js";
import { noise, sha256 } from "../../network/host-servers.js";
import { runInLinux } from "../../network/linux-guest.js";

const directory = mkdtempSync(join(tmpdir(), "viv-network-"));
const file = noise(1 << 20);
let web: Server;
let url: string;

beforeAll(async () => {
  web = createServer((_, response) => response.end(file));
  await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
  url = `http://10.0.2.2:${(web.address() as AddressInfo).port}/`;
});

afterAll(() => {
  web.close();
  rmSync(directory, { recursive: true });
});

const relayOptions: RelayOptions = { host: "127.0.0.1", port: 0, egress: [], rate: null, origins: [] };

test("a QEMU guest by -netdev stream and one of ours share a switch with a NAT, and tcpdump finds every checksum right", {
  timeout: 180_000,
}, async (context) => {
  needs(context, QEMU, TCPDUMP);
  const image = await defaultImage(context);
  const exchange = new Switch();
  const nat = new Nat({ outside: new NodeOutside() });
  exchange.join(nat);
  const socket = join(directory, "qemu.sock");
  const cable = await SocketLink.listen({ kind: "unix", path: socket });
  exchange.join(cable);
  const packets = [pcapFileHeader()];
  const ours = new CapturedLink(
    exchange.port(),
    { write: (bytes) => packets.push(bytes) },
    () => BigInt(Date.now()) * 1_000_000n,
  );

  const qemu = execInQemu(
    image,
    `wget -qO- ${url} | sha256sum; wget -qO /run/file ${url}; httpd -p 80 -h /run; ip -4 -o addr show eth0;` +
      // Until the other guest has had it, and says so.
      "timeout 60 nc -l -p 81",
    new Uint8Array(),
    {
      args: [
        ...["-netdev", `stream,id=net,server=off,addr.type=unix,addr.path=${socket}`],
        ...["-device", "virtio-net-device,netdev=net,mac=52:54:00:00:00:77"],
      ],
    },
  );
  const { stdout } = await runInLinux(
    context,
    `wget -qO- ${url} | sha256sum; ip -4 -o addr show eth0;` +
      "for n in $(seq 20); do for a in 15 16; do if ! ip -4 addr show eth0 | grep -q 10.0.2.$a/; then" +
      " wget -T 1 -qO- http://10.0.2.$a/file > /run/got && sha256sum < /run/got &&" +
      " until nc 10.0.2.$a 81 < /dev/null; do usleep 100000; done && exit; fi; done; sleep 1; done",
    { networks: [{ link: ours, mac: Buffer.from("525400000088", "hex") }] },
  );
  const expected = `${sha256(file)}  -`;
  expect(stdout.split("\n").filter((line) => line === expected).length).toBe(2);
  expect((await qemu).stdout.toString()).toContain(expected);
  const capture = join(directory, "capture.pcap");
  writeFileSync(capture, Buffer.concat(packets));
  const dump = spawnSync("tcpdump", ["-nvr", capture], { encoding: "utf8", maxBuffer: 1 << 28 });
  expect(dump.stdout).toMatch(/Flags \[S\], cksum 0x[0-9a-f]+ \(correct\)/);
  const wrong = /\(incorrect|bad (\w+ )?cksum|wrong cksum/;
  expect(dump.stdout.split("\n").filter((line) => wrong.test(line))).toEqual([]);
  await cable.close();
  await nat.close();
});

test("a relay gives a machine the NAT over a WebSocket; killed and started again, it is found again", {
  timeout: 120_000,
}, async (context) => {
  let relay = await Relay.open(relayOptions);
  const port = Number(new URL(relay.url).port);
  const link = await WebSocketLink.connect(relay.url);
  let restarts = 0;
  web.on("request", async (request) => {
    if (request.url !== "/restart" || restarts++ > 0) return;
    await relay.close();
    setTimeout(async () => {
      relay = await Relay.open({ ...relayOptions, port });
    }, 6000);
  });
  const { stdout } = await runInLinux(
    context,
    `carrier() { cat /sys/class/net/eth0/carrier; }; wget -qO- ${url} | sha256sum; carrier; wget -T 3 -qO /dev/null ${url}restart;` +
      "until [ $(carrier) = 0 ]; do usleep 10000; done; carrier; until [ $(carrier) = 1 ]; do usleep 10000; done;" +
      // The cable is there a moment before everything behind it is.
      `carrier; until wget -T 3 -qO /tmp/again ${url}; do usleep 100000; done; sha256sum < /tmp/again`,
    { networks: [{ link }] },
  );
  const expected = `${sha256(file)}  -`;
  expect(stdout).toBe(`${expected}\n1\n0\n1\n${expected}\n`);
  await link.close();
  await relay.close();
});

test("a relay lets in programs and pages of this host or of named origins, and no other pages", async () => {
  const relay = await Relay.open({ ...relayOptions, origins: ["https://example.org"] });
  const connects = (origin?: string) =>
    new Promise<boolean>((resolve) => {
      const socket = new WebSocket(relay.url, origin === undefined ? {} : { origin });
      socket.on("open", () => {
        socket.terminate();
        resolve(true);
      });
      socket.on("error", () => resolve(false));
    });
  expect(await connects()).toBe(true);
  expect(await connects("http://localhost:8080")).toBe(true);
  expect(await connects("https://example.org")).toBe(true);
  expect(await connects("https://evil.example")).toBe(false);
  expect(await connects("http://localhost.evil.example")).toBe(false);
  const status = await new Promise((resolve) =>
    get(relay.url.replace("ws:", "http:"), (answer) => resolve(answer.statusCode)),
  );
  expect(status).toBe(426);
  await relay.close();
});

test("whatever a WebSocket sends, the relay goes on, and a message too long ends that connection only", async () => {
  const relay = await Relay.open(relayOptions);
  const open = () =>
    new Promise<WebSocket>((resolve) => {
      const socket = new WebSocket(relay.url);
      socket.on("open", () => resolve(socket));
      socket.on("error", () => {});
    });
  const socket = await open();
  for (let length = 0; length < 200; length++) socket.send(noise(length, length + 1));
  socket.send("text");
  const closed = new Promise<number>((resolve) => socket.on("close", resolve));
  socket.send(new Uint8Array(1 << 20));
  // RFC 6455 section 7.4.1: message too big.
  expect(await closed).toBe(1009);
  const other = await open();
  const answer = new Promise<Buffer>((resolve) => other.on("message", (data) => resolve(data as Buffer)));
  const question = "ffffffffffff525400123456080600010800060400015254001234560a00020f0000000000000a000202";
  other.send(Buffer.from(question, "hex"));
  expect((await answer).subarray(28, 32).join(".")).toBe("10.0.2.2");
  other.terminate();
  await relay.close();
});
