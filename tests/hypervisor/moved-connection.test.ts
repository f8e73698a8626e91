/** What goes over a machine's network while the machine is taken from one worker to another. */
import { createHash } from "node:crypto";
import { createServer, type Socket } from "node:net";
import { afterAll, expect, test } from "vitest";
import type { HypervisorBase } from "../../host/hypervisor/hypervisor-base.js";
import { hasApt } from "../images/requirements.js";
import { TEST_CACHE, testImage } from "../images/test-image.js";
import { createHypervisor, until } from "./test-hypervisor.js";

const LINE_MS = 10;
const MOVES = 4;

let hypervisor: HypervisorBase | undefined;
const connections: Socket[] = [];
let received = "";
const server = createServer((socket) => {
  connections.push(socket);
  socket.on("data", (bytes) => {
    received += bytes.toString("latin1");
  });
});

afterAll(async () => {
  for (const socket of connections) socket.destroy();
  server.close();
  await hypervisor?.close();
});

// Without apt there is nothing to build the image with.
test.skipIf(!hasApt)("a connection through the NAT stays up while its machine moves, and loses no byte", async () => {
  process.env.VIV_CACHE_DIR ??= TEST_CACHE;
  await testImage();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { readonly port: number };
  hypervisor = await createHypervisor({ workers: 2 });
  const machine = await hypervisor.machines.create({ name: "web", memoryMiB: 128, networks: ["user"] });
  // It computes meanwhile: each round must come to the same.
  const rounds = await machine.spawn("while [ ! -e /run/stop ]; do seq 5000 | md5sum; done | sort | uniq -c");
  const echo = await machine.spawn(`nc 10.0.2.2 ${port} -e cat`);
  await until(() => connections.length === 1, "the guest's connection");

  let lines = 0;
  const writing = setInterval(() => connections[0]!.write(`${lines++}\n`), LINE_MS);
  const echoed = () => received.split("\n").length - 1;
  await until(() => echoed() > 20, "lines that come back");
  for (let move = 0; move < MOVES; move++) {
    const [worker, before] = [machine.view().worker!, echoed()];
    await hypervisor.moveMachine("web", 1 - worker);
    expect(machine.view().worker).toBe(1 - worker);
    await until(() => echoed() > before + 20, "lines after a move");
  }
  clearInterval(writing);
  await until(() => echoed() === lines, "the last line");
  expect(received).toBe(Array.from({ length: lines }, (_, line) => `${line}\n`).join(""));
  expect(connections).toHaveLength(1);
  connections[0]!.end();
  expect(await echo.exitCode).toBe(0);
  await machine.exec("touch /run/stop");
  const numbers = Array.from({ length: 5000 }, (_, index) => `${index + 1}\n`).join("");
  const sum = createHash("md5").update(numbers).digest("hex");
  expect(await new Response(rounds.stdout).text()).toMatch(new RegExp(`^ *\\d+ ${sum} {2}-\n$`));
});
