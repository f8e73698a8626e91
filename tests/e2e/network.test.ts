/** Machines on networks, as the built program's user meets them. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createWeb } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { viv } from "../platform/viv-process.js";
import { defaultImage, testEnvironment } from "./default-image.js";

const directory = mkdtempSync(join(tmpdir(), "viv-net-"));
afterAll(() => rmSync(directory, { recursive: true }));

const run = (...args: string[]) => viv(["run", ...args], { env: testEnvironment() });

test("net user: the guest comes up on the network by itself and reads from the host's loopback, and the capture has it", async (context) => {
  await defaultImage(context);
  const web = createWeb((_, response) => response.end("from the host\n"));
  await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
  const { port } = web.address() as AddressInfo;
  const capture = join(directory, "capture.pcap");
  const command = `wget -qO- http://10.0.2.2:${port}/`;
  const result = await run("--net", "user", "--pcap", capture, "--exec", command);
  expect(result).toEqual({ status: 0, stdout: "from the host\n", stderr: "" });
  const pcap = readFileSync(capture);
  expect(pcap.readUInt32LE(0)).toBe(0xa1b23c4d);
  expect(pcap.includes("from the host\n")).toBe(true);
  expect(pcap.includes("GET / HTTP/1.1\r\n")).toBe(true);
  const virtual = await run("--clock", "virtual", "--net", "user", "--exec", command);
  expect(virtual).toEqual({ status: 0, stdout: "from the host\n", stderr: "" });
  web.close();
});

test("net socket: two machines in two processes are joined by a cable", async (context) => {
  await defaultImage(context);
  const socket = join(directory, "cable");
  const [server, client] = await Promise.all([
    run(
      ...["--net", `socket,listen=unix:${socket},mac=52:54:00:00:00:01`, "--exec"],
      "ifconfig eth0 10.9.0.1; echo hello > /run/file; httpd -p 80 -h /run; until grep -q gone /run/log 2>/dev/null; do" +
        " nc -l -p 81 > /run/log; done; echo served",
    ),
    (async () => {
      for (;;) {
        const result = await run(
          ...["--net", `socket,connect=unix:${socket},mac=52:54:00:00:00:02`, "--exec"],
          "ifconfig eth0 10.9.0.2; until wget -T 2 -qO- http://10.9.0.1/file; do sleep 1; done;" +
            "until echo gone | nc -w 2 10.9.0.1 81; do sleep 1; done",
        );
        // The other program may not be listening yet.
        if (!result.stderr.includes("cannot connect")) return result;
      }
    })(),
  ]);
  expect(client).toMatchObject({ status: 0 });
  expect(client.stdout).toBe("hello\n");
  expect(server).toMatchObject({ status: 0, stdout: "served\n" });
}, 120_000);

test("without a network device there is no interface, and an unplugged one has no carrier", async (context) => {
  await defaultImage(context);
  expect((await run("--exec", "ls /sys/class/net")).stdout).toBe("lo\n");
  const unplugged = await run("--net", "unplugged", "--exec", "ls /sys/class/net; cat /sys/class/net/eth0/carrier");
  expect(unplugged.stdout).toBe("eth0\nlo\n0\n");
});

test("a network that cannot be had is one line and status 2, before anything starts", async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const { port } = taken.address() as AddressInfo;
  const kernel = ["--bare", "package.json"];
  const error = async (...args: string[]) => {
    const result = await run(...kernel, ...args);
    expect([result.status, result.stdout]).toEqual([2, ""]);
    expect(result.stderr.trimEnd()).not.toContain("\n");
    return result.stderr;
  };
  expect(await error("--net", `user,forward=${port}:22`)).toContain(
    `cannot listen on tcp 127.0.0.1:${port}: EADDRINUSE`,
  );
  expect(await error("--net", "socket,connect=127.0.0.1:1")).toContain("cannot connect to 127.0.0.1:1: ECONNREFUSED");
  expect(await error("--net", "ws,url=ws://127.0.0.1:1/")).toContain(
    "cannot connect to ws://127.0.0.1:1/: ECONNREFUSED",
  );
  expect(await error("--net", "tap,device=/dev/net/tun")).toContain("expected /dev/tapN of a macvtap interface");
  expect(await error("--net", "user", "--pcap", directory)).toContain(`--pcap: cannot write ${directory}: EISDIR`);
  expect(await error("--pcap", "x")).toContain("--pcap needs --net");
  expect(await error("--net", "bridge")).toContain('"bridge" is no kind of network; expected user');
  taken.close();
});
