import type { TimedProcessor } from "../../host/machine/clock.js";
import type { HostServices } from "../../host/machine/host-services.js";

/** A host whose time passes only when it is told to, or while somebody sleeps. */
export class FakeHost implements HostServices {
  ms = 1000;
  /** Lengths of the sleeps asked for, in ms. */
  readonly sleeps: number[] = [];
  yields = 0;
  /** Called at each turn of the event loop. */
  onYield: () => void = () => {};
  /** Called when somebody has gone to sleep, with what wakes him. Without it a sleep takes its time. */
  onSleep: ((wake: () => void) => void) | null = null;

  nowNs(): bigint {
    return 1_700_000_000_000_000_000n + BigInt(Math.round(this.ms * 1e6));
  }
  monotonicMs(): number {
    return this.ms;
  }
  sleep(ms: number): { readonly done: Promise<void>; wake(): void } {
    this.sleeps.push(ms);
    let wake = () => {};
    const done = new Promise<void>((resolve) => {
      wake = resolve;
    });
    if (this.onSleep !== null) this.onSleep(wake);
    else {
      this.ms += ms;
      wake();
    }
    return { done, wake };
  }
  async yieldToEvents(): Promise<void> {
    this.yields++;
    this.onYield();
  }
  randomBytes(into: Uint8Array): void {
    into.fill(0x5a);
  }
}

/** A processor's time without a processor. */
export class FakeTimer implements TimedProcessor {
  mtime = 0n;
  ticksPerInstruction = 0;
  nextTimer: bigint | null = null;

  setTime(mtime: bigint, ticksPerInstruction: number): void {
    this.mtime = mtime;
    this.ticksPerInstruction = ticksPerInstruction;
  }
  /** Time passes as it does in a run. */
  retire(instructions: number): void {
    this.mtime += BigInt(Math.floor(instructions * this.ticksPerInstruction));
  }
}
