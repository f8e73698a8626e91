import { describe, expect, test, vi } from "vitest";
import { type DispatchedMachine, Dispatcher } from "../../host/hypervisor/scheduling/dispatcher.js";
import type { Machine } from "../../host/machine/machine.js";
import type { ProcessorTurn, ProcessorTurns, ProcessorUse } from "../../host/machine/processor-turns.js";
import { NodeHostServices } from "../../host/platform/node/host-services.js";
import { bare, createMachine, kernel } from "./test-machine.js";

/** Turns of always so many instructions, one at a time as `next` is called. */
class GivenTurns implements ProcessorTurns {
  readonly uses: ProcessorUse[] = [];
  asked = 0;
  left = 0;
  #pending: ((turn: ProcessorTurn | null) => void) | null = null;

  constructor(
    readonly turn: Partial<ProcessorTurn> = {},
    /** Whether a turn comes as soon as it is asked for. */
    readonly isOpen = true,
  ) {}

  take(): Promise<ProcessorTurn | null> {
    this.asked++;
    if (!this.isOpen) return new Promise((resolve) => (this.#pending = resolve));
    return Promise.resolve({ budget: 1000, deadlineMs: Number.POSITIVE_INFINITY, waitedMs: 0, ...this.turn });
  }
  give(use: ProcessorUse): void {
    this.uses.push(use);
  }
  leave(): void {
    this.left++;
    this.#pending?.(null);
    this.#pending = null;
  }
}

const LOOP = "loop: j loop";
/** Waits for an interrupt for ever. */
const ASLEEP = "loop: wfi; j loop";
/** Reads a device's register for ever. */
const FLOOD = "li s0, PLIC; loop: lw t0, 0(s0); j loop";

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 1));
}

describe("a machine that has turns", () => {
  test("retires in each what it grants, and gives account of every instruction", async () => {
    const turns = new GivenTurns({ budget: 12_345 });
    const { machine } = await createMachine({ boot: bare(LOOP), clock: "host", turns });
    const run = machine.run();
    await until(() => turns.uses.length >= 20);
    machine.stop();
    await run;
    expect(new Set(turns.uses.slice(0, 20).map(({ retired }) => retired))).toEqual(new Set([12_345]));
    const sum = turns.uses.reduce((total, { retired }) => total + retired, 0);
    expect(BigInt(sum)).toBe(machine.stats().instructions);
  });

  test("under virtual time has slices as long as without, so that it does the same", async () => {
    const instructionsWith = async (turns: GivenTurns): Promise<number> => {
      const { machine } = await createMachine({ boot: bare(LOOP), turns });
      const run = machine.run();
      await until(() => turns.uses.length >= 2);
      machine.stop();
      await run;
      return turns.uses[0]!.retired;
    };
    expect(await instructionsWith(new GivenTurns({ budget: 10 }))).toBe(
      await instructionsWith(new GivenTurns({ budget: 10_000_000 })),
    );
  });

  test("asks for none while its harts wait", async () => {
    const turns = new GivenTurns();
    const { machine } = await createMachine({ boot: bare(ASLEEP), clock: "host", turns });
    const run = machine.run();
    await until(() => turns.uses.length === 1);
    expect(turns.uses[0]!.waits).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(turns.asked).toBe(1);
    machine.serialInput.write(Uint8Array.of(1));
    await until(() => turns.asked === 2);
    machine.stop();
    await run;
  });

  test("is stopped and captured while it waits for one", async () => {
    const turns = new GivenTurns({}, false);
    const { machine } = await createMachine({ boot: bare(LOOP), clock: "host", turns });
    const run = machine.run();
    await until(() => turns.asked === 1);
    expect((await machine.capture()).instructions).toBe(0n);
    await until(() => turns.asked === 2);
    machine.stop();
    expect(await run).toEqual({ kind: "stopped" });
    expect(turns.uses).toEqual([]);
  });

  test("gives it back also when it fails in it", async () => {
    const turns = new GivenTurns();
    const host = new NodeHostServices();
    // The clock of the board fails when the slice begins.
    host.nowNs = () => {
      if (turns.asked > 0) throw new Error("no clock");
      return 0n;
    };
    const { machine } = await createMachine({ boot: bare(LOOP), clock: "host", turns, host });
    await expect(machine.run()).rejects.toThrow("no clock");
    expect([turns.asked, turns.uses.length]).toEqual([1, 1]);
  });

  test("that keeps its devices busy ends it when its time is over", async () => {
    const turns = new GivenTurns({ budget: 1_000_000_000, deadlineMs: 0 });
    const { machine } = await createMachine({ boot: bare(FLOOD), clock: "host", turns });
    const run = machine.run();
    await until(() => turns.uses.length >= 3);
    machine.stop();
    await run;
    for (const { retired, deviceAccesses } of turns.uses) {
      expect(deviceAccesses).toBeLessThanOrEqual(64);
      expect(retired).toBeLessThan(1000);
    }
  });

  test("that calls its firmware all the time ends it, too", async () => {
    const turns = new GivenTurns({ budget: 1_000_000_000, deadlineMs: 0 });
    const calls = kernel("loop: li a7, EID_BASE; li a6, 0; ecall; j loop");
    const { machine } = await createMachine({ boot: calls, clock: "host", turns });
    const run = machine.run();
    await until(() => turns.uses.length >= 3);
    machine.stop();
    await run;
    for (const { retired } of turns.uses) expect(retired).toBeLessThan(1000);
  });
});

interface Shared {
  readonly machine: Machine;
  readonly turns: DispatchedMachine;
  readonly run: Promise<unknown>;
}

/** Machines on this thread, with shares of 100, 200 and so on. */
async function share(listings: readonly string[]): Promise<Shared[]> {
  const dispatcher = new Dispatcher(new NodeHostServices());
  dispatcher.setPolicy({
    pools: [],
    machines: listings.map((_, index) => {
      return { name: `m${index}`, pool: "root", cpu: { shares: 100 * (index + 1), reservation: 0, limit: null } };
    }),
  });
  return Promise.all(
    listings.map(async (listing, index) => {
      const turns = dispatcher.join(`m${index}`);
      const { machine } = await createMachine({ boot: bare(listing), clock: "host", memoryByteLength: 1 << 20, turns });
      return { machine, turns, run: machine.run() };
    }),
  );
}

async function end(shared: readonly Shared[]): Promise<void> {
  for (const { machine } of shared) machine.stop();
  await Promise.all(shared.map(({ run }) => run));
  for (const { turns } of shared) turns.quit();
}

const total = (parts: readonly number[]) => parts.reduce((sum, part) => sum + part, 0);

describe("real machines on one thread", () => {
  test("have processor time as their shares are, 100 to 800, and pay for every instruction", async () => {
    const shared = await share(new Array<string>(8).fill(LOOP));
    const ms = () => shared.map(({ turns }) => turns.account.processorMs);
    await until(() => total(ms()) > 150);
    const before = ms();
    await until(() => total(ms()) - total(before) > 600);
    const had = ms().map((after, index) => after - before[index]!);
    await end(shared);
    for (const [index, part] of had.entries()) {
      const wanted = (total(had) * (index + 1)) / 36;
      // In so short a time a turn is more than 2 % of the smallest part.
      expect(Math.abs(part - wanted), `m${index}`).toBeLessThan(Math.max(wanted * 0.02, 3.1));
    }
    for (const { machine, turns } of shared) expect(turns.account.instructions).toBe(machine.stats().instructions);
  });

  test("are told of what they could not have, the more the less is theirs", async () => {
    const shared = await share([LOOP, LOOP, LOOP]);
    // A host that stands still in the turn of one robs the others: with time, the shares tell in spite of it.
    const shareTells = () => {
      const [first, second, third] = shared.map(({ turns }) => turns.account.stolenMs);
      expect(first!).toBeGreaterThan(second! + 20);
      expect(second!).toBeGreaterThan(third! + 20);
      expect(third!).toBeGreaterThan(50);
    };
    await vi.waitFor(shareTells, { timeout: 20_000 });
    await end(shared);
  });

  test("cost nothing while they wait", async () => {
    const shared = await share([ASLEEP, ASLEEP, ASLEEP]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const before = shared.map(({ turns }) => turns.account);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(shared.map(({ turns }) => turns.account)).toEqual(before);
    await end(shared);
  });

  test("one that is by itself is robbed of nothing", async () => {
    const shared = await share([LOOP]);
    await until(() => shared[0]!.turns.account.processorMs > 100);
    await end(shared);
    expect(shared[0]!.turns.account.stolenMs).toBe(0);
  });
});
