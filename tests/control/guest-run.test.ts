import { expect, test } from "vitest";
import { type Guest, GuestRun, type RunnableGuest, type Session } from "../../host/control/guest-run.js";
import type { Halt } from "../../host/machine/machine.js";

/** Machines that halt as told, one after the other; null is a machine that runs until it is stopped. */
function scene(halts: readonly (Halt | null)[], hash = false) {
  const seen = { attached: [] as Guest[], created: 0, stops: 0, yields: 0 };
  const clock = { ms: 1000 };
  const up = { ready: false };
  const session: Session = {
    serial: { write: () => {} },
    ports: [],
    attach: (guest) => void seen.attached.push(guest),
    poll: () => {},
    get ready() {
      return up.ready;
    },
    conclude: (halt) => (halt.kind === "reboot" ? null : halt.kind === "stopped" ? { kind: "left" } : halt),
  };
  const create = async (): Promise<RunnableGuest> => {
    const halt = halts[seen.created++];
    let stop = () => {};
    const stopped = new Promise<Halt>((resolve) => {
      stop = () => resolve({ kind: "stopped" });
    });
    return {
      serialInput: { waitingByteLength: 0, write: () => {} },
      resizeConsole: () => {},
      port: () => {
        throw new Error("this machine has no ports");
      },
      stop,
      async run() {
        clock.ms += 500;
        return halt ?? stopped;
      },
      stats: () => ({
        instructions: 1_000_000n,
        exits: { budget: 2, idle: 0, ecall: 1, stop: 0, stuck: 0 },
        elapsedMs: 500,
        translation: {
          regions: 0,
          modules: 0,
          byteLength: 0,
          translateMs: 0,
          compileMs: 0,
          instructions: 0n,
          exits: { budget: 0, access: 0, step: 0, nested: 0, refused: 0, cold: 0 },
          invalidations: 0,
          restarts: 0,
        },
      }),
      stateHash: () => "hash",
    };
  };
  const yieldToEvents = async () => void seen.yields++;
  const onStop = () => void seen.stops++;
  const run = new GuestRun({ create, session, hash, onStop, monotonicMs: () => clock.ms, yieldToEvents });
  return { run, seen, clock, up };
}

test("guest run: ends when the session says so, with what the machine did", async () => {
  const { run } = scene([{ kind: "fail", code: 4 }]);
  expect(await run.untilEnd()).toEqual({
    end: { kind: "fail", code: 4 },
    report: { instructions: 1_000_000n, elapsedMs: 500, exits: { budget: 2, idle: 0, ecall: 1, stop: 0, stuck: 0 } },
  });
});

test("guest run: a guest that resets itself goes on in a new machine, and the report counts both", async () => {
  const { run, seen } = scene([{ kind: "reboot" }, { kind: "reboot" }, { kind: "poweroff" }], true);
  const { end, report } = await run.untilEnd();
  expect(end).toEqual({ kind: "poweroff" });
  expect(seen).toMatchObject({ created: 3, yields: 2 });
  expect(seen.attached).toHaveLength(3);
  expect(report).toMatchObject({ instructions: 3_000_000n, elapsedMs: 1500, stateHash: "hash" });
  expect(report.exits).toMatchObject({ budget: 6, ecall: 3 });
});

test("guest run: a signal stops the machine and is the end, whatever the session thinks", async () => {
  const { run, seen } = scene([null]);
  const result = run.untilEnd();
  await new Promise((resolve) => setTimeout(resolve, 5));
  run.end(15);
  run.end(2);
  expect((await result).end).toEqual({ kind: "signal", number: 15 });
  expect(seen.stops).toBeGreaterThan(0);
});

test("guest run: a signal while a machine is being made keeps it from running", async () => {
  const { run } = scene([null]);
  const result = run.untilEnd();
  run.end(1);
  expect((await result).end).toEqual({ kind: "signal", number: 1 });
});

test("guest run: a session that stops its guest lets go of whoever waits", async () => {
  const { run, seen } = scene([null]);
  const result = run.untilEnd();
  await new Promise((resolve) => setTimeout(resolve, 5));
  seen.attached[0]?.stop();
  expect((await result).end).toEqual({ kind: "left" });
  expect(seen.stops).toBe(1);
});

test("guest run: the time to boot counts from the start to the first slice after which the guest is ready", async () => {
  const { run, clock, up } = scene([null]);
  const result = run.untilEnd();
  await new Promise((resolve) => setTimeout(resolve, 5));
  run.poll();
  clock.ms = 3500;
  up.ready = true;
  run.poll();
  clock.ms = 9000;
  run.poll();
  run.end(15);
  expect((await result).report.boot).toEqual({ elapsedMs: 2500, instructions: 1_000_000n });
});
