/** A macvtap interface in a network namespace of the test's own. Making one takes root. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { defaultImage, testEnvironment } from "../../e2e/default-image.js";
import { noise, sha256 } from "../../network/host-servers.js";
import { VIV } from "../viv-process.js";

const directory = mkdtempSync(join(tmpdir(), "viv-tap-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** A pair of network cards, of which one has an address of the host and the other a macvtap interface. */
const SETUP = `set -e
mount -t sysfs sysfs /sys
ip link add veth0 type veth peer name veth1
ip link set veth0 up
ip link set veth1 up
ip addr add 10.77.0.1/24 dev veth1
ip link add link veth0 name tap0 type macvtap mode bridge
ip link set tap0 address 52:54:00:12:34:56 up
number=$(cat /sys/class/net/tap0/tap*/dev)
mknod ${directory}/tap c \${number%:*} \${number#*:}
`;

const SERVER = `require("node:http").createServer((_, answer) =>
  answer.end(require("node:fs").readFileSync(process.argv[1]))).listen(8000, "10.77.0.1")`;

function inNamespace(script: string) {
  return spawnSync("unshare", ["-n", "-m", "sh", "-c", script], {
    encoding: "utf8",
    env: { ...process.env, ...testEnvironment() },
  });
}

test("a guest on a macvtap interface talks to the host's own network, large segments included", {
  timeout: 120_000,
}, async (context) => {
  if (inNamespace(`${SETUP} head -c 0 ${directory}/tap`).status !== 0) {
    context.skip("no macvtap interface can be made here: that takes root, network namespaces and the kernel's macvtap");
  }
  rmSync(join(directory, "tap"), { force: true });
  await defaultImage(context);
  const file = noise(2_000_000);
  writeFileSync(join(directory, "file"), file);
  const command = "ifconfig eth0 10.77.0.2 netmask 255.255.255.0; wget -qO- http://10.77.0.1:8000/ | sha256sum";
  const { stdout, stderr } = inNamespace(`${SETUP}
    "${process.execPath}" -e '${SERVER}' ${directory}/file & server=$!
    "${process.execPath}" "${VIV}" run --net tap,device=${directory}/tap --exec '${command}'
    kill $server`);
  expect(stderr).toBe("");
  expect(stdout).toBe(`${sha256(file)}  -\n`);
});
