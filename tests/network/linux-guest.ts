/** Linux, whose TCP knows nothing of ours, on the networks of a test. */
import type { TestContext } from "vitest";
import { ExecSession } from "../../host/control/exec-session.js";
import { GuestRun } from "../../host/control/guest-run.js";
import { commandLineFor } from "../../host/images/command-line.js";
import { Machine, type Network } from "../../host/machine/machine.js";
import { NodeHostServices } from "../../host/platform/node/host-services.js";
import { defaultImage } from "../e2e/default-image.js";
import { core } from "../machine/test-machine.js";

export interface GuestResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface LinuxGuestOptions {
  readonly networks: readonly Network[];
  /** Given the machine before it runs. */
  readonly onMachine?: (machine: Machine) => void;
}

/** Runs a shell command in the default guest. Skips the test where the guest cannot be built. */
export async function runInLinux(
  context: TestContext,
  command: string,
  { networks, onMachine }: LinuxGuestOptions,
): Promise<GuestResult> {
  const image = await defaultImage(context);
  const output = { stdout: "", stderr: "" };
  const session = new ExecSession(command, {
    stdout: { write: (bytes) => (output.stdout += Buffer.from(bytes).toString("latin1")) },
    stderr: { write: (bytes) => (output.stderr += Buffer.from(bytes).toString("latin1")) },
  });
  void session.endInput();
  const host = new NodeHostServices(async () => run.poll());
  const run = new GuestRun({
    create: async () => {
      const machine = await Machine.create({
        core: await core(),
        hartCount: 1,
        memoryByteLength: 256 << 20,
        clock: "host",
        boot: {
          kind: "linux",
          kernel: image.kernel,
          initrd: image.initrd,
          commandLine: commandLineFor(image.commandLine, { kind: "exec" }),
        },
        drives: [],
        networks,
        serial: session.serial,
        ports: session.ports,
        host,
      });
      onMachine?.(machine);
      return machine;
    },
    session,
    hash: false,
    onStop: () => {},
    monotonicMs: () => host.monotonicMs(),
    yieldToEvents: () => host.yieldToEvents(),
  });
  const { end } = await run.untilEnd();
  if (end.kind !== "command") throw new Error(`${JSON.stringify(end)}: ${Buffer.from(session.consoleTail)}`);
  return { status: end.status, ...output };
}
