/// <reference path="../api/web.d.ts" />
import type { GuestProcess, GuestTerminal } from "../api/guest-process.js";
import type { SignalName } from "../api/signals.js";
import type { SpawnOutput, SpawnSession } from "../control/hypervisor/service.js";
import type { HypervisorMachine } from "./hypervisor-machine.js";

/** Starts a command in a guest that somebody talks to. @throws VivariumError as `Machine.spawn` */
export async function spawnIn(
  machine: HypervisorMachine,
  command: string | readonly string[],
  { terminal }: { readonly terminal: GuestTerminal | null },
  output: SpawnOutput,
): Promise<SpawnSession> {
  const process = await machine.spawn(command, terminal === null ? {} : { terminal });
  void give(process, output);
  const input = process.stdin.getWriter();
  const ignore = (): void => {};
  return {
    write: (bytes) => void (bytes === null ? input.close() : input.write(bytes)).catch(ignore),
    resize: (columns, rows) => process.resize(columns, rows),
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
