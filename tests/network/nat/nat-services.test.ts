/** The NAT's services as the tools of a Linux guest use them, with Node's sockets outside. One boot serves all. */
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { EgressPolicy, parseEgressRule } from "../../../host/network/nat/egress.js";
import { Nat } from "../../../host/network/nat/nat.js";
import { NodeOutside } from "../../../host/platform/node/network/outside.js";
import { PortForwards } from "../../../host/platform/node/network/port-forwards.js";
import { listen, noise, sha256 } from "../host-servers.js";
import { runInLinux } from "../linux-guest.js";
import { TftpServer } from "../tftp-server.js";

const MIB = 1 << 20;
const TCP_FORWARD = 42_380;

test("a Linux guest finds every service of the network it is given", { timeout: 180_000 }, async (context) => {
  const egress = new EgressPolicy();
  const nat = new Nat({ outside: new NodeOutside(), egress });
  const forwards = await PortForwards.open(nat, [
    { protocol: "tcp", host: "127.0.0.1", port: TCP_FORWARD, guestAddress: null, guestPort: 80 },
  ]);
  const file = noise(100_000);
  const tftp = await TftpServer.open(file);
  const secret = await listen((socket) => socket.end("secret"));
  const halves = await listen((socket) => {
    let text = "";
    socket.on("data", (bytes) => {
      text += bytes.toString();
    });
    socket.on("end", () => setTimeout(() => socket.end(`after ${text}`), 300));
  });
  let written = 0;
  const source = await listen((socket) => {
    const block = Buffer.alloc(1 << 16);
    const fill = () => {
      while (!socket.destroyed && socket.write(block)) written += block.length;
    };
    socket.on("drain", fill);
    fill();
  });
  const lazy = await listen((socket) => socket.pause());
  let held = 0;
  const watch = setInterval(() => {
    held = Math.max(held, nat.usage.byteLength);
  }, 20);
  const cut = await listen((socket) => {
    socket.write("begun");
    setTimeout(() => {
      egress.rules = [parseEgressRule("deny", "0.0.0.0/0")];
    }, 300);
  });
  const shut = await listen((socket) => socket.end("shut"));
  const ruled = await listen((socket) => {
    egress.rules = [parseEgressRule("deny", `tcp:10.0.2.2:${shut}`), parseEgressRule("deny", "*.example.com")];
    socket.end();
  });
  const fromHost = askForwarded();

  const { stdout } = await runInLinux(
    context,
    `section() { echo; echo "== $1"; }; exec 2>&1
    section address; ip -4 -o addr show eth0; ip route; cat /etc/resolv.conf /sys/class/net/eth0/mtu
    section echo; for host in 10.0.2.2 10.0.2.3; do ping -c 1 $host; done; ping -c 1 -W 2 192.0.2.1
    section ipv6
    until ip -6 -o addr show dev eth0 scope site | grep -v tentative | grep -q fec0; do usleep 100000; done
    ip -6 -o addr show dev eth0 scope site; ping6 -c 1 fec0::2
    section refused; nc 10.0.2.2 ${secret}; echo; nc 10.0.2.2 1; nc 10.0.2.3 80; nc 10.0.2.77 ${secret}; nc 0.0.0.1 ${secret}
    section names; nslookup localhost 10.0.2.3; nslookup does-not-exist.invalid 10.0.2.3
    section stream-names
    printf '\\0\\033\\1\\2\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\011localhost\\0\\0\\1\\0\\1' | nc 10.0.2.3 53 | od -An -tx1
    section datagrams; cd /run
    for size in 512 1432 8000; do tftp -g -b $size -r file -l file 10.0.2.2 ${tftp.port} && sha256sum < file; done
    tftp -p -b 8000 -l file -r upload 10.0.2.2 ${tftp.port} > /dev/null 2>&1 && echo sent
    section halves; echo -n question | nc 10.0.2.2 ${halves}
    section slow; nc 10.0.2.2 ${source} | sleep 2 & head -c 32000000 /dev/zero | timeout 2 nc 10.0.2.2 ${lazy}; wait
    section forwards; echo web > index.html; httpd -p 80 -h /run; sleep 2
    section rules; nc 10.0.2.2 ${ruled}; nc 10.0.2.2 ${shut}; nslookup www.example.com 10.0.2.3 | grep -o REFUSED | head -1
    section live; nc 10.0.2.2 ${cut}; echo; nc 10.0.2.2 ${secret}; true`,
    { networks: [{ link: nat, mtu: 4000 }] },
  );
  clearInterval(watch);
  await forwards.close();
  tftp.close();
  await nat.close();

  const section = (name: string): string => stdout.split(`== ${name}\n`)[1]?.split("\n== ")[0] ?? "";
  expect(section("address")).toContain("inet 10.0.2.15/24 brd 10.0.2.255");
  expect(section("address")).toContain("default via 10.0.2.2 dev eth0");
  expect(section("address")).toContain("nameserver 10.0.2.3\n1500\n");
  expect(section("echo").match(/(\d) packets received/g)).toEqual([1, 1, 0].map((n) => `${n} packets received`));
  // RFC 4291 section 2.5.1, of 52:54:00:12:34:56.
  expect(section("ipv6")).toContain("fec0::5054:ff:fe12:3456/64");
  expect(section("ipv6")).toContain("1 packets received");
  expect(section("refused")).toMatch(/^secret\n.*10\.0\.2\.2.*refused\n.*10\.0\.2\.3.*refused\n/);
  expect(stdout.match(/secret/g)?.length).toBe(1);
  expect(section("names")).toMatch(/Name:\s+localhost\s+Address: 127\.0\.0\.1/);
  expect(section("names")).toMatch(/NXDOMAIN/);
  expect(section("stream-names").replace(/\s+/g, " ")).toContain("7f 00 00 01");
  expect(section("datagrams")).toBe(`${`${sha256(file)}  -\n`.repeat(3)}sent\n`);
  expect(tftp.uploaded).toBe(sha256(file));
  expect(section("halves")).toBe("after question");
  expect(written).toBeGreaterThan(MIB);
  expect(written).toBeLessThan(32 * MIB);
  expect(held).toBeLessThan(8 * MIB);
  expect(await fromHost).toMatch(/^HTTP\/1\.[01] 200 OK.*web\n$/s);
  expect(section("rules")).toMatch(/refused\nREFUSED/);
  expect(section("live")).toMatch(/^begun.*\n.*refused/s);
});

/** A client of the host's at the forwarded port, which asks until the guest answers. */
async function askForwarded(): Promise<string> {
  for (;;) {
    const answer = await new Promise<string>((resolve) => {
      let text = "";
      // The host's half ends before the guest has answered.
      const socket = connect(TCP_FORWARD, "127.0.0.1", () => socket.end("GET / HTTP/1.0\r\n\r\n"));
      socket.on("data", (bytes) => {
        text += bytes.toString();
      });
      socket.on("error", () => {});
      socket.on("close", () => resolve(text));
    });
    if (answer !== "") return answer;
    await pause(100);
  }
}
