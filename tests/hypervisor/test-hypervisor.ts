/** Hypervisors with real workers, whose machines are small. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { MachineRequest } from "../../host/control/hypervisor/schemas.js";
import { HypervisorBase, type HypervisorOptions } from "../../host/hypervisor/hypervisor-base.js";
import type { HypervisorMachine } from "../../host/hypervisor/hypervisor-machine.js";
import { NodeHypervisorPlatform } from "../../host/platform/node/hypervisor/node-hypervisor-platform.js";

/** This machine may be busy with other things. */
const PATIENCE_MS = 50_000;

export function createHypervisor(
  options: HypervisorOptions = {},
  platform = new NodeHypervisorPlatform(),
): Promise<HypervisorBase> {
  return HypervisorBase.createOn(platform, { workers: 1, memoryMiB: 1024, ...options });
}

/** What a machine without networks is asked for. */
export function letters(image: string, name: string, request: Partial<MachineRequest> = {}): MachineRequest {
  return { name, image, memoryMiB: 32, networks: [], ...request };
}

/** All that a machine has written. */
export function outputOf(hypervisor: HypervisorBase, name: string): () => string {
  let output = "";
  hypervisor.managed.get(name).console.watch((bytes) => {
    output += Buffer.from(bytes).toString("latin1");
  });
  return () => output;
}

export function type(machine: HypervisorMachine, text: string): void {
  const writer = machine.console.writable.getWriter();
  void writer.write(text).catch(() => {});
  writer.releaseLock();
}

/** Waits until something is so. */
export async function until(isSo: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!isSo()) {
    if (Date.now() > deadline) expect.fail(`never came: ${what}`);
    await sleep(10);
  }
}
