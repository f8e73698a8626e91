/** Linux in the machines of a hypervisor: what becomes of it when its kernel or its worker gives out. */
import { createHash } from "node:crypto";
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { WorkerChannel } from "../../host/api/platform.js";
import type { MachineChange } from "../../host/control/hypervisor/schemas.js";
import type { HypervisorBase } from "../../host/hypervisor/hypervisor-base.js";
import type { HypervisorMachine } from "../../host/hypervisor/hypervisor-machine.js";
import { NodeHypervisorPlatform } from "../../host/platform/node/hypervisor/node-hypervisor-platform.js";
import { hasApt } from "../images/requirements.js";
import { TEST_CACHE, testImage } from "../images/test-image.js";
import { createHypervisor, until } from "./test-hypervisor.js";

const HEAP_MIB = 128;

/** A platform whose workers have little heap, and use it up when they are told to. */
class SmallHeaps extends NodeHypervisorPlatform {
  readonly workers: Worker[] = [];

  override startHost(): WorkerChannel {
    const program = new URL("exhausted-worker.mjs", import.meta.url);
    const worker = new Worker(program, { resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB } });
    this.workers.push(worker);
    return {
      post: (message, transfer = []) => worker.postMessage(message, transfer),
      onMessage: (receive) => void worker.on("message", receive),
      onFailure: (callback) => void worker.once("error", callback),
      terminate: () => void worker.removeAllListeners().terminate(),
    };
  }
}

/** A loop whose every round has this checksum, until there is a file /run/stop. */
const ROUNDS = "while [ ! -e /run/stop ]; do seq 5000 | md5sum; done | sort | uniq -c";
const ROUND = createHash("md5")
  .update(Array.from({ length: 5000 }, (_, index) => `${index + 1}\n`).join(""))
  .digest("hex");

// Without apt there is nothing to build the image with.
describe.skipIf(!hasApt)("real guests", () => {
  let hypervisor: HypervisorBase;
  let parent: HypervisorMachine;
  const platform = new SmallHeaps();

  beforeAll(async () => {
    process.env.VIV_CACHE_DIR ??= TEST_CACHE;
    await testImage();
    hypervisor = await createHypervisor({ workers: 2 }, platform);
    parent = await hypervisor.machines.create({ name: "parent", memoryMiB: 128, networks: ["user"] });
    await parent.exec("true");
  });
  afterAll(() => hypervisor?.close());

  /** One that goes on from the guest that has booted. */
  async function fork(name: string, change: MachineChange = {}): Promise<HypervisorMachine> {
    const [machine] = await parent.fork({ names: [name] });
    await machine!.set(change);
    return machine!;
  }

  const failuresOf = (name: string) =>
    hypervisor.events(0, 1000).filter(({ kind, machine }) => kind === "machine-failure" && machine === name);

  /** Documentation/admin-guide/sysrq.rst: a crash by a null pointer, as any kernel may have one. */
  function crash(machine: HypervisorMachine, panicTimeout: number): void {
    const command = `echo ${panicTimeout} > /proc/sys/kernel/panic; echo c > /proc/sysrq-trigger`;
    void machine.exec(command).catch(() => {});
  }

  test("a kernel that panics is put back to the last snapshot by the restart policy, and an event says why", async () => {
    const machine = await fork("panics", { restart: "on-failure" });
    await machine.exec("echo kept > /run/mark");
    await machine.snapshots.create("good");
    await machine.exec("rm /run/mark");
    crash(machine, -1);
    await until(() => failuresOf("panics").length === 1, "the failure");
    await until(() => machine.view().status === "running", "the restart");
    expect(failuresOf("panics")[0]!.message).toBe(
      "panics failed: the guest panicked: Kernel panic - not syncing: sysrq triggered crash",
    );
    expect((await machine.exec("cat /run/mark")).stdout).toBe("kept\n");
    await hypervisor.machines.destroy("panics");
  });

  test("a kernel that panics and stays where it is does not run for ever", async () => {
    const machine = await fork("stays", { restart: "never" });
    crash(machine, 0);
    await until(() => machine.view().status === "failed", "the failure");
    expect(machine.view().failure).toMatch(/^the guest panicked: /);
    await hypervisor.machines.destroy("stays");
  });

  test("a guest that restarts itself goes on, and one that only shows a panic of before is none", async () => {
    const machine = await fork("restarts", { restart: "never" });
    const log = "[    1.0] Kernel panic - not syncing: x\n[    1.1] ---[ end Kernel panic - not syncing: x ]---\n";
    await machine.exec("cat > /dev/ttyS0; echo done > /dev/ttyS0", { input: log });
    await machine.exec("reboot").catch(() => {});
    const isTold = () => hypervisor.events(0, 1000).some(({ message }) => message.endsWith("restarted by its guest"));
    await until(isTold, "the restart");
    expect(machine.view().status).toBe("running");
    expect(failuresOf("restarts")).toEqual([]);
    await hypervisor.machines.destroy("restarts");
  });

  test("a worker that runs out of memory loses what ran there back to the last snapshot, and nothing else", async () => {
    const [lost, other] = [await fork("lost"), await fork("other")];
    await hypervisor.moveMachine("parent", 0);
    await hypervisor.moveMachine("other", 0);
    await hypervisor.moveMachine("lost", 1);
    const rounds = await other.spawn(ROUNDS);
    await lost.exec("echo kept > /run/mark");
    await lost.snapshots.create("good");
    await lost.exec("rm /run/mark");
    platform.workers[1]!.postMessage("exhaust");
    await until(() => lost.view().status === "failed", "the failure");
    expect(lost.view().failure).toContain("reaching memory limit");
    await until(() => lost.view().status === "running", "the restart");
    expect((await lost.exec("cat /run/mark")).stdout).toBe("kept\n");
    await other.exec("touch /run/stop");
    expect(await new Response(rounds.stdout).text()).toMatch(new RegExp(`^ *\\d+ ${ROUND} {2}-\n$`));
    expect(failuresOf("other")).toEqual([]);
    for (const name of ["lost", "other"]) await hypervisor.machines.destroy(name);
  });
});
