/** The whole Debian, as README.md has it: made, started, used, kept. It takes some ten minutes: VIV_DEBIAN=1 asks for it. */

import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, type TestContext, test } from "vitest";
import { runTool } from "../../host/platform/node/images/tool.js";
import { type VivResult, viv } from "../platform/viv-process.js";
import { testEnvironment } from "./default-image.js";
import { APT, needs, SSH } from "./requirements.js";
import { VivConsole } from "./viv-console.js";

const MINUTE_MS = 60_000;
const directory = mkdtempSync(join(tmpdir(), "viv-debian-"));
const at = (name: string): string => join(directory, name);
afterAll(() => rmSync(directory, { recursive: true }));

const run = (...args: string[]): Promise<VivResult> => viv(args, { env: testEnvironment() });
const isAsked = process.env.VIV_DEBIAN !== undefined;
/** A port of this host that leads to the guest's sshd. */
let port: number;

beforeAll(async () => {
  port = await freePort();
  mkdirSync(at("work"));
});

test.runIf(isAsked)(
  "debian: built, it starts without a failed unit, has network and folders, lets ssh in, and keeps what is on its disk",
  async (context) => {
    await build(context);
    writeFileSync(at("work/greeting"), "from the host\n");
    const args = [
      ...["run", "debian", "--memory", "1GiB", "--disk", at("disk.qcow2"), "--pcap", at("seen.pcap")],
      ...["--net", `user,forward=127.0.0.1:${port}:22`, "--share", `${at("work")}:/mnt/work`],
    ];

    const first = new VivConsole(args);
    await logIn(first);
    expect(await answer(first, "systemctl is-system-running --wait")).toBe("running");
    expect(await answer(first, "systemctl --failed --no-legend | wc -l")).toBe("0");
    expect(await answer(first, "journalctl -b -p err --no-pager -q | wc -l")).toBe("0");
    expect(await answer(first, "networkctl --no-legend | grep -c 'routable *configured'")).toBe("1");
    expect(await answer(first, "cat /mnt/work/greeting")).toBe("from the host");
    expect(await answer(first, "python3 -c 'import ssl, sqlite3; print(6 * 7)'")).toBe("42");
    expect(Math.abs(Number(await ssh("date +%s")) - Date.now() / 1000)).toBeLessThan(10);
    // A mirror may have some lists that are of another age than others: what counts is that packages come.
    await ssh("(apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq -y install hello) > /dev/null 2>&1");
    expect(await ssh("hello")).toBe("Hello, world!\n");

    expect(await ssh("uname -m; echo kept > /root/kept; sync")).toBe("riscv64\n");
    await ssh(
      "cd /mnt/work && echo from the guest > answer && chmod 640 answer && ln -s answer link && mkdir -m 700 new",
    );
    expect(readFileSync(at("work/link"), "utf8")).toBe("from the guest\n");
    expect(["answer", "new"].map((name) => statSync(at(`work/${name}`)).mode & 0o777)).toEqual([0o640, 0o700]);
    writeFileSync(at("long"), randomBytes(100e6));
    await runTool("scp", ["-P", String(port), ...SSH_OPTIONS, at("long"), "root@127.0.0.1:/root/long"]);
    expect(await ssh("sha256sum < /root/long")).toBe(`${sha256(at("long"))}  -\n`);
    await runTool("scp", ["-P", String(port), ...SSH_OPTIONS, "root@127.0.0.1:/root/long", at("back")]);
    expect(sha256(at("back"))).toBe(sha256(at("long")));

    first.type("reboot\n");
    await logIn(first);
    expect(await answer(first, "cat /root/kept")).toBe("kept");
    first.type("poweroff\n");
    expect(await first.ended()).toMatchObject({ status: 0, stderr: "" });
    const packets = (await runTool("tcpdump", ["-nr", at("seen.pcap"), "tcp port 22"])).toString();
    expect(packets).toMatch(/10\.0\.2\.15\.22 > 10\.0\.2\.2\.\d+: Flags \[S\.\]/);

    const second = await run("run", "debian", "--disk", at("disk.qcow2"), "--exec", "cat /root/kept; dmesg; exit 7");
    expect(second.stdout).toMatch(/^kept\n/);
    expect(second.stdout).not.toMatch(/EXT4-fs error|recovery/);
    expect([second.status, second.stderr]).toEqual([7, ""]);
  },
  60 * MINUTE_MS,
);

test.runIf(isAsked)(
  "debian: four harts and a second disk in a file, which goes on, goes back and forks with its network",
  async (context) => {
    await build(context);
    const file = at("debian.viv");
    writeFileSync(at("second.img"), new Uint8Array(64 << 20));
    const net = ["--net", `user,forward=127.0.0.1:${port}:22`];
    const options = ["--memory", "512MiB", "--harts", "4", "--drive", at("second.img"), ...net];
    const first = new VivConsole(["run", "debian", ...options, "--save", file]);
    await logIn(first);
    expect(await ssh("nproc; mkfs.ext4 -q /dev/vdb && mount /dev/vdb /mnt && echo kept > /mnt/kept")).toBe("4\n");
    first.signal("SIGTERM");
    expect((await first.ended()).status).toBe(128 + 15);
    expect((await run("snapshot", file, "formatted")).stderr).toBe("");

    expect(await run("open", file, "--exec", "cat /mnt/kept; rm /mnt/kept")).toMatchObject({
      status: 0,
      stdout: "kept\n",
    });
    expect((await run("restore", file, "formatted")).status).toBe(0);
    expect((await run("fork", file)).stdout).toBe(`${at("debian-1.viv")}\n`);

    const again = new VivConsole(["open", file, ...net]);
    expect(await ssh("cat /mnt/kept; systemctl --failed --no-legend; date +%s")).toMatch(/^kept\n\d+\n$/);
    expect(Math.abs(Number(await ssh("date +%s")) - Date.now() / 1000)).toBeLessThan(10);
    const address = "cat /sys/class/net/e*/address";
    const own = await ssh(address);
    const fork = await run(
      "open",
      at("debian-1.viv"),
      "--net",
      "user",
      "--exec",
      `${address}; cat /mnt/kept; hostname`,
    );
    expect(fork).toMatchObject({ status: 0, stdout: expect.stringMatching(/^52:54:00.*\nkept\ndebian\n$/) });
    expect(fork.stdout).not.toContain(own);
    again.type("poweroff\n");
    expect((await again.ended()).status).toBe(0);
  },
  60 * MINUTE_MS,
);

test.runIf(isAsked)(
  "debian: five thousand connections one after the other and a thousand at once, in memory that does not grow with them",
  async (context) => {
    await build(context);
    const server = createServer((socket) => socket.on("error", () => {}).pipe(socket));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    writeFileSync(at("work/connections.py"), CONNECTIONS);
    const { port: echoPort } = server.address() as AddressInfo;
    const args = ["--net", "user", "--share", `${at("work")}:/mnt/work`, "--memory", "512MiB"];
    const console = new VivConsole(["run", "debian", ...args]);
    await logIn(console);
    console.type(`python3 /mnt/work/connections.py ${echoPort}\n`);
    await console.expect("opened and dropped: 1000", 5 * MINUTE_MS);
    const before = residentMiB(console.pid);
    await console.expect("opened and dropped: 5000", 10 * MINUTE_MS);
    await console.expect("at the same time: 1000", 5 * MINUTE_MS);
    expect(residentMiB(console.pid) - before).toBeLessThan(200);
    console.type("poweroff\n");
    expect((await console.ended()).status).toBe(0);
    server.close();
  },
  60 * MINUTE_MS,
);

const CONNECTIONS = `
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
def connect():
    return socket.create_connection(("10.0.2.2", int(sys.argv[1])), 60)
for count in range(1, 5001):
    with connect() as each:
        each.sendall(b"x")
        assert count % 3 > 0 or each.recv(1) == b"x"
    if count % 1000 == 0:
        print("opened and dropped:", count, flush=True)
many = [connect() for _ in range(1000)]
for index, each in enumerate(many):
    each.sendall(b"%04d" % index)
right = sum(each.recv(4, socket.MSG_WAITALL) == b"%04d" % index for index, each in enumerate(many))
print("at the same time:", right, flush=True)
`;

async function build(context: TestContext): Promise<void> {
  needs(context, APT, SSH);
  const { status, stderr } = await run("image", "build", "debian");
  expect(status, stderr).toBe(0);
}

async function logIn(console: VivConsole): Promise<void> {
  await console.expect("debian login: ", 10 * MINUTE_MS);
  console.type("root\n");
  await console.expect("root@debian:~# ", 5 * MINUTE_MS);
}

/** What a command says at the console, in one line. */
async function answer(console: VivConsole, command: string): Promise<string> {
  // What is typed is shown, too: it does not hold what is waited for.
  console.type(`echo an''swer-"$(${command})"-ends\n`);
  await console.expect("answer-", 5 * MINUTE_MS);
  return console.expect("-ends", 5 * MINUTE_MS);
}

const SSH_OPTIONS = [
  "StrictHostKeyChecking=no",
  "UserKnownHostsFile=/dev/null",
  "LogLevel=ERROR",
  "BatchMode=yes",
].flatMap((option) => ["-o", option]);

/** What a command says that root runs by ssh, and that has to succeed. */
async function ssh(command: string): Promise<string> {
  const args = ["-p", String(port), ...SSH_OPTIONS, "-o", "ConnectionAttempts=60", "root@127.0.0.1", command];
  return (await runTool("ssh", args)).toString();
}

function sha256(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

function residentMiB(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))!;
  return Number(kib) / 1024;
}

/** A port of this host that nobody has. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port: free } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return free;
}
