import { checkOptions } from "./arguments.js";
import { EXEC_NAMES, type ExecOptions, type ExecResult, SPAWN_NAMES } from "./call-options.js";
import { checkInput, feed, whole } from "./command-input.js";
import type { GuestAgents } from "./guest-agents.js";
import { type Command, checkCommand, GuestProcess, RunningProcess, type SpawnOptions } from "./guest-process.js";
import { type Limits, within } from "./limits.js";
import type { Platform } from "./platform.js";
import { type Ended, execByQemuAgent } from "./qemu-commands.js";
import { readAll } from "./streams.js";

const OUTPUT_MAX_BYTE_LENGTH = 64 * 1024 * 1024;

/** Runs commands in the guest; `Machine` says how. */
export class GuestCommands {
  readonly #platform: Platform;
  readonly #agents: GuestAgents;

  constructor(platform: Platform, agents: GuestAgents) {
    this.#platform = platform;
    this.#agents = agents;
  }

  async exec(command: Command, options: ExecOptions): Promise<ExecResult> {
    checkCommand(command);
    const {
      input,
      maxOutputByteLength = OUTPUT_MAX_BYTE_LENGTH,
      timeoutMs,
      signal,
      ...process
    } = checkOptions("exec", options, EXEC_NAMES);
    checkInput(input);
    const limits = { ...(timeoutMs === undefined ? {} : { timeoutMs }), ...(signal === undefined ? {} : { signal }) };
    return within(this.#platform, `exec ${describe(command)}`, limits, async (onGiveUp) => {
      const qemuAgent = this.#agents.presentQemu();
      if (qemuAgent !== null) {
        return withTexts(await execByQemuAgent(qemuAgent, command, process, await whole(input), onGiveUp));
      }
      const running = new RunningProcess(this.#agents.present(), command, process);
      onGiveUp(() => running.abandon());
      try {
        const { stdout, stderr } = running.sources;
        const ended = Promise.all([
          running.exited,
          readAll(stdout.stream, maxOutputByteLength),
          readAll(stderr.stream, maxOutputByteLength),
        ]);
        // A command may end without its input; an input that fails ends the command.
        const fed = feed(running, input).then(() => ended);
        const [exit, stdoutBytes, stderrBytes] = await Promise.race([ended, fed]);
        return withTexts({ ...exit, stdoutBytes, stderrBytes });
      } catch (error) {
        running.abandon();
        throw error;
      }
    });
  }

  async spawn(command: Command, options: SpawnOptions & Limits): Promise<GuestProcess> {
    checkCommand(command);
    const { timeoutMs, signal, ...process } = checkOptions("spawn", options, SPAWN_NAMES);
    const limits = { ...(timeoutMs === undefined ? {} : { timeoutMs }), ...(signal === undefined ? {} : { signal }) };
    const running = await within(this.#platform, `spawn ${describe(command)}`, limits, async (onGiveUp) => {
      const begun = new RunningProcess(this.#agents.present(), command, process);
      onGiveUp(() => begun.abandon());
      return { begun, pid: await begun.started };
    });
    if (signal !== undefined) {
      const end = (): void => running.begun.end();
      signal.addEventListener("abort", end);
      const stop = (): void => signal.removeEventListener("abort", end);
      running.begun.exited.then(stop, stop);
    }
    return new GuestProcess(running.begun, running.pid);
  }
}

function withTexts(ended: Ended): ExecResult {
  const decoder = new TextDecoder();
  return { ...ended, stdout: decoder.decode(ended.stdoutBytes), stderr: decoder.decode(ended.stderrBytes) };
}

const DESCRIBED_LENGTH = 60;

function describe(command: Command): string {
  const text = typeof command === "string" ? command : command.join(" ");
  return JSON.stringify(text.length > DESCRIBED_LENGTH ? `${text.slice(0, DESCRIBED_LENGTH)}...` : text);
}
