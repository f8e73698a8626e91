import type { QemuExec, QemuGuestAgent } from "../guest-agent/qemu-guest-agent.js";
import { type Command, exitOf, type ProcessExit, type ProcessOptions } from "./guest-process.js";
import type { Bytes } from "./streams.js";

/** A command's end and outputs. */
export interface Ended extends ProcessExit {
  readonly stdoutBytes: Bytes;
  readonly stderrBytes: Bytes;
}

/** Runs a command by QEMU's guest agent, which knows neither working directories nor how to end what it has started. */
export async function execByQemuAgent(
  agent: QemuGuestAgent,
  command: Command,
  { cwd, env = {} }: ProcessOptions,
  input: Uint8Array,
  onGiveUp: (giveUp: () => void) => void,
): Promise<Ended> {
  const program = typeof command === "string" ? ["/bin/sh", "-c", command] : command;
  const argv = cwd === undefined ? program : ["/bin/sh", "-c", 'cd "$0" && exec "$@"', cwd, ...program];
  const environment = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const result: QemuExec = await agent.exec(argv, environment, input, (pid) => {
    const kill = ["/bin/kill", "-KILL", String(pid)];
    onGiveUp(() => void agent.exec(kill, [], new Uint8Array()).catch(() => {}));
  });
  return { ...exitOf(result.status), stdoutBytes: result.stdout as Bytes, stderrBytes: result.stderr as Bytes };
}
