/** What the guest sees, and so its state, does not depend on whether its code is translated. */
import { expect, test } from "vitest";
import type { TranslationMode } from "../../host/core/core.js";
import { commandLineFor } from "../../host/images/command-line.js";
import { Machine, type MachineState } from "../../host/machine/machine.js";
import { NodeHostServices } from "../../host/platform/node/host-services.js";
import { defaultImage } from "../e2e/default-image.js";
import { core } from "../machine/test-machine.js";

const MIB = 1024 * 1024;
const BEFORE = 60_000_000n;
const AFTER = 20_000_000n;

const MODES: readonly TranslationMode[] = ["off", "on"];

/** What a machine is run by until it has retired so much, which is at the end of a slice. */
class Runner {
  goal = 0n;
  machine: Machine | null = null;

  async wires(translate: TranslationMode) {
    const host = new NodeHostServices(async () => {
      if (this.machine!.stats().instructions >= this.goal) this.machine!.stop();
    });
    return { core: await core(), serial: { write: () => {} }, host, translate };
  }

  async runTo(goal: bigint): Promise<Machine> {
    this.goal = goal;
    await this.machine!.run();
    return this.machine!;
  }
}

test("a machine captured while its code is translated goes on the same when it is interpreted, and the other way round", async (context) => {
  const { kernel, initrd, commandLine } = await defaultImage(context);
  const states: MachineState[] = [];
  const hashes: string[] = [];
  for (const translate of MODES) {
    const runner = new Runner();
    runner.machine = await Machine.create({
      ...(await runner.wires(translate)),
      boot: { kind: "linux", kernel, initrd, commandLine: commandLineFor(commandLine, { kind: "stay" }) },
      hartCount: 2,
      memoryByteLength: 128 * MIB,
      clock: "virtual",
      drives: [],
    });
    const machine = await runner.runTo(BEFORE);
    states.push(await machine.capture());
    await runner.runTo(BEFORE + AFTER);
    if (translate === "on") expect(machine.stats().translation.instructions).toBeGreaterThan(0n);
    hashes.push(machine.stateHash());
  }
  for (const [index, state] of states.entries()) {
    for (const translate of MODES) {
      const runner = new Runner();
      runner.machine = await Machine.resume(state, { ...(await runner.wires(translate)), identity: "kept" });
      const machine = await runner.runTo(BEFORE + AFTER);
      expect(machine.stateHash(), `captured with ${MODES[index]}, resumed with ${translate}`).toBe(hashes[0]);
    }
  }
  expect(hashes[1]).toBe(hashes[0]);
}, 120_000);

test("a machine whose code is being translated can be put into another state, and comes to where that leads", async (context) => {
  const { kernel, initrd, commandLine } = await defaultImage(context);
  const runner = new Runner();
  runner.machine = await Machine.create({
    ...(await runner.wires("on")),
    boot: { kind: "linux", kernel, initrd, commandLine: commandLineFor(commandLine, { kind: "stay" }) },
    hartCount: 1,
    memoryByteLength: 128 * MIB,
    clock: "virtual",
    drives: [],
  });
  const { machine } = runner;
  await runner.runTo(BEFORE);
  const state = await machine.capture();
  await runner.runTo(BEFORE + AFTER);
  const hash = machine.stateHash();
  for (let times = 0; times < 3; times++) {
    await machine.restore(state, { identity: "kept" });
    await runner.runTo(BEFORE + AFTER);
    expect(machine.stateHash()).toBe(hash);
  }
}, 120_000);
