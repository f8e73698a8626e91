/// <reference path="../api/web.d.ts" />
import type { GuestProcess } from "../api/guest-process.js";
import type { SignalName } from "../api/signals.js";
import type { SpawnOutput, SpawnSession } from "../control/hypervisor/service.js";
import { VivariumError } from "../util/errors.js";
import type { HypervisorMachine } from "./hypervisor-machine.js";

/** Starts a command in a guest that somebody talks to. @throws VivariumError as `Machine.spawn` */
export async function spawnIn(
  machine: HypervisorMachine,
  command: string | readonly string[],
  { terminal }: { readonly terminal: { readonly columns: number; readonly rows: number } | null },
  output: SpawnOutput,
): Promise<SpawnSession> {
  if (terminal !== null) {
    const message = "the guest's agent gives commands no terminal; the machine's console is one";
    throw new VivariumError("exec/terminal", message, { machine: machine.name });
  }
  const process = await machine.spawn(command);
  void give(process, output);
  const input = process.stdin.getWriter();
  const ignore = (): void => {};
  return {
    write: (bytes) => void (bytes === null ? input.close() : input.write(bytes)).catch(ignore),
    // Without a terminal there is nothing that has a size.
    resize: ignore,
    kill: (signal) => void process.kill(signal as SignalName),
    close: () => void process.kill("SIGHUP"),
  };
}

async function give(process: GuestProcess, output: SpawnOutput): Promise<void> {
  try {
    await Promise.all([
      pump(process.stdout, (bytes) => output.stdout(bytes)),
      pump(process.stderr, (bytes) => output.stderr(bytes)),
    ]);
    const { exitCode, signal } = await process.exited;
    output.ended({ exitCode, signal });
  } catch (error) {
    output.failed(error instanceof Error ? error : new Error(String(error)));
  }
}

async function pump(
  stream: ReadableStream<Uint8Array>,
  take: (bytes: Uint8Array) => void | Promise<void>,
): Promise<void> {
  const reader = stream.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) await take(next.value);
}
