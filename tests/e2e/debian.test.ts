/** The whole Debian, as README.md has it: made, started, used, kept. It takes some ten minutes: VIV_DEBIAN=1 asks for it. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { runTool } from "../../host/platform/node/images/tool.js";
import { viv } from "../platform/viv-process.js";
import { testEnvironment } from "./default-image.js";
import { APT, needs, SSH } from "./requirements.js";
import { VivConsole } from "./viv-console.js";

const MINUTE_MS = 60_000;
const directory = mkdtempSync(join(tmpdir(), "viv-debian-"));
afterAll(() => rmSync(directory, { recursive: true }));

const isAsked = process.env.VIV_DEBIAN !== undefined;

test.runIf(isAsked)(
  "debian: built, it starts without a failed unit, has network and folders, lets ssh in, and keeps what is on its disk",
  async (context) => {
    needs(context, APT, SSH);
    const built = await viv(["image", "build", "debian"], { env: testEnvironment() });
    expect(built.status, built.stderr).toBe(0);
    const port = await freePort();
    writeFileSync(join(directory, "greeting"), "from the host\n");
    const args = [
      ...["run", "debian", "--memory", "1GiB", "--disk", join(directory, "disk.qcow2")],
      ...["--net", `user,forward=127.0.0.1:${port}:22`, "--share", `${directory}:/mnt/work`],
    ];

    const first = new VivConsole(args);
    await logIn(first);
    await answers(first, "systemctl is-system-running --wait", "running");
    await answers(first, "systemctl --failed --no-legend | wc -l", "0");
    await answers(first, "networkctl status -a | grep -c '10.0.2.15'", "1");
    await answers(first, "cat /mnt/work/greeting", "from the host");
    await answers(first, "apt-get -qq update && apt-cache policy hello | grep -c Candidate", "1");
    await answers(first, "python3 -c 'print(6 * 7)'", "42");
    const command = "uname -m; echo from the guest > /mnt/work/answer; echo kept > /root/kept; sync";
    const options = ["StrictHostKeyChecking=no", `UserKnownHostsFile=${join(directory, "hosts")}`, "BatchMode=yes"];
    const ssh = ["-p", String(port), ...options.flatMap((option) => ["-o", option]), "root@127.0.0.1", command];
    expect((await runTool("ssh", ssh)).toString()).toBe("riscv64\n");
    expect(readFileSync(join(directory, "answer"), "utf8")).toBe("from the guest\n");
    first.type("reboot\n");
    await logIn(first);
    await answers(first, "cat /root/kept", "kept");
    first.type("poweroff\n");
    expect(await first.ended()).toMatchObject({ status: 0, stderr: "" });

    const second = new VivConsole(args);
    await logIn(second);
    await answers(second, "cat /root/kept", "kept");
    await answers(second, "journalctl -b -k | grep -cE 'recovery|EXT4-fs error'", "0");
    second.type("poweroff\n");
    expect((await second.ended()).status).toBe(0);
  },
  60 * MINUTE_MS,
);

async function logIn(console: VivConsole): Promise<void> {
  await console.expect("debian login: ", 10 * MINUTE_MS);
  console.type("root\n");
  await console.expect("root@debian:~# ", 5 * MINUTE_MS);
}

/** Runs a command whose output is one line. */
async function answers(console: VivConsole, command: string, line: string): Promise<void> {
  // What is typed is shown, too: it does not hold what is waited for.
  console.type(`echo "is-$(${command})-it"\n`);
  await console.expect(`is-${line}-it`, 5 * MINUTE_MS);
}

/** A port of this host that nobody has. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
