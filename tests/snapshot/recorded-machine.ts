/** A guest whose state depends on the moment of everything that reaches it, and a machine of it that is recorded. */

import type { RecordEnd } from "../../host/machine/history/recorder.js";
import { Recorder } from "../../host/machine/history/recorder.js";
import { type Halt, Machine, type MachineOptions } from "../../host/machine/machine.js";
import { NodeHostServices } from "../../host/platform/node/host-services.js";
import type { MachineFile } from "../../host/snapshot/machine-file.js";
import { type Replay, type ReplayRequest, replay } from "../../host/snapshot/replay.js";
import { bare, core } from "../machine/test-machine.js";

const MIB = 1024 * 1024;

/**
 * Takes timer and serial interrupts while it counts, and mixes into a hash what it was doing when each came: the count,
 * mtime, the clock of the RTC, and the character, which it sends back. It sleeps now and then. Ends itself when it
 * reads "q".
 */
export const LISTENER = bare(`
    la t0, handler
    csrw mtvec, t0
    li s0, UART
    li s1, 0x80400000
    li s2, 0x80800000
    li s3, 0x101000
    li s4, CLINT
    li s5, PLIC
    li t0, 1
    sb t0, 1(s0)
    li t1, PLIC + 0x28
    sw t0, 0(t1)
    li t1, PLIC + 0x2000
    li t0, 1024
    sw t0, 0(t1)
    li t1, PLIC + 0x200000
    sw zero, 0(t1)
    li t0, CLINT + 0xbff8
    ld t1, 0(t0)
    addi t1, t1, 1000
    li t0, CLINT + 0x4000
    sd t1, 0(t0)
    li t0, 0x880
    csrw mie, t0
    csrsi mstatus, 8
  again:
    addi a1, a1, 1
    sd a1, (s1)
    addi s1, s1, 1032
    bltu s1, s2, 1f
    li s1, 0x80400000
  1:
    li t0, 0xffff
    and t0, a1, t0
    bnez t0, again
    wfi
    j again
  .align 2
  handler:
    csrr t3, mcause
    slli t3, t3, 1
    srli t3, t3, 1
    xor a2, a2, a1
    li t4, 0x9e3779b97f4a7c15
    mul a2, a2, t4
    li t0, CLINT + 0xbff8
    ld t1, 0(t0)
    xor a2, a2, t1
    mul a2, a2, t4
    lwu t2, 0(s3)
    xor a2, a2, t2
    mul a2, a2, t4
    li t2, 7
    beq t3, t2, timer
    li t1, PLIC + 0x200004
    lw t2, 0(t1)
  read:
    lbu t3, 5(s0)
    andi t3, t3, 1
    beqz t3, complete
    lbu t4, 0(s0)
    xor a2, a2, t4
    sb t4, 0(s0)
    li t5, 113
    bne t4, t5, read
    li t0, TEST
    li t1, 0x5555
    sw t1, 0(t0)
    j .
  complete:
    sw t2, 0(t1)
    mret
  timer:
    li t2, 3000
    add t1, t1, t2
    li t0, CLINT + 0x4000
    sd t1, 0(t0)
    mret
`);

/** What a recorded run came to. */
export interface Recording {
  readonly output: string;
  readonly halt: Halt;
  readonly end: RecordEnd | null;
  /** Of the recorder itself. */
  readonly failure: unknown;
}

export interface RecordedMachineOptions extends Partial<MachineOptions> {
  /** What happens to the machine while it runs. */
  readonly meanwhile?: (machine: Machine) => Promise<void>;
}

/** A machine whose history is being recorded into the file from its first instruction on. */
export async function createRecorded(
  file: MachineFile,
  options: Partial<MachineOptions> = {},
): Promise<{ readonly machine: Machine; readonly output: () => string; readonly failure: () => unknown }> {
  const console = new Console();
  let failure: unknown = null;
  const host = new NodeHostServices();
  const border = new Recorder({
    host,
    onFailure: (error) => {
      failure = error;
    },
  });
  const machine = await Machine.create({
    boot: LISTENER,
    hartCount: 1,
    memoryByteLength: 16 * MIB,
    clock: "host",
    drives: [],
    core: await core(),
    serial: console,
    host,
    border,
    ...options,
  });
  await machine.record(await file.record());
  return { machine, output: () => console.text, failure: () => failure };
}

/** Runs such a machine to its end. */
export async function recordRun(
  file: MachineFile,
  { meanwhile, ...options }: RecordedMachineOptions = {},
): Promise<Recording> {
  const { machine, output, failure } = await createRecorded(file, options);
  const [halt] = await Promise.all([machine.run(), meanwhile?.(machine)]);
  return { halt, end: await machine.endRecord(), output: output(), failure: failure() };
}

/** Runs a history of the file again. */
export async function replayRun(
  file: MachineFile,
  request: ReplayRequest & { readonly translate?: "on" | "off" | "eager" } = {},
): Promise<Replay & { readonly output: string }> {
  const console = new Console();
  const { translate = "on", ...asked } = request;
  const done = await replay(file, asked, {
    core: await core(),
    translate,
    serial: console,
    host: new NodeHostServices(),
  });
  return { ...done, output: console.text };
}

class Console {
  text = "";

  write(bytes: Uint8Array): void {
    this.text += Buffer.from(bytes).toString("latin1");
  }
}
