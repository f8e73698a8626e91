/** What becomes of each call in each state of a machine: it does something, or says in one line why not. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Machine, type MachineSnapshot } from "../../host/index.js";
import { bare } from "../machine/test-machine.js";

/** Waits for ever. */
const { program } = bare("wait: wfi; j wait") as { readonly program: Uint8Array };
const LIMIT = { timeoutMs: 20 };

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "vivarium-states-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

type State = "made" | "running" | "paused" | "off" | "closed";
type Outcome = "done" | "waits" | `machine/${string}` | "timeout" | "balloon/absent";

let files = 0;
const OFF = "machine/status";
const GONE = "machine/closed";
/** What nobody in this guest answers. */
const ASKED = { made: OFF, running: "timeout", paused: "timeout", off: OFF, closed: GONE } as const;
const ALWAYS = { made: "done", running: "done", paused: "done", off: "done", closed: GONE } as const;
const UNLESS_OFF = { ...ALWAYS, off: OFF } as const;

/** A machine that has not been started stands at its first instruction: it is off, and can be kept. */
const CALLS: Readonly<
  Record<string, readonly [(machine: Machine, kept: MachineSnapshot) => unknown, Readonly<Record<State, Outcome>>]>
> = {
  start: [(machine) => machine.start(), ALWAYS],
  stop: [(machine) => machine.stop(), ALWAYS],
  reset: [(machine) => machine.reset(), ALWAYS],
  pause: [(machine) => machine.pause(), { ...ALWAYS, made: OFF, off: OFF }],
  resume: [(machine) => machine.resume(), { ...ALWAYS, made: OFF, off: OFF }],
  shutdown: [(machine) => machine.shutdown(LIMIT), ASKED],
  halted: [
    (machine) => machine.halted(),
    { made: "waits", running: "waits", paused: "waits", off: "waits", closed: GONE },
  ],
  snapshot: [(machine) => machine.snapshot(), UNLESS_OFF],
  restore: [(machine, kept) => machine.restore(kept), ALWAYS],
  fork: [async (machine) => Promise.all((await machine.fork()).map((fork) => fork.close())), UNLESS_OFF],
  "fork of a snapshot": [
    async (machine, snapshot) => Promise.all((await machine.fork({ snapshot })).map((fork) => fork.close())),
    ALWAYS,
  ],
  save: [(machine) => machine.save(join(directory, `${++files}.viv`)), UNLESS_OFF],
  stats: [(machine) => machine.stats(), ALWAYS],
  stateHash: [(machine) => machine.stateHash(), { ...UNLESS_OFF, running: "machine/status" }],
  ready: [(machine) => machine.ready(LIMIT), ASKED],
  exec: [(machine) => machine.exec("true", LIMIT), ASKED],
  spawn: [(machine) => machine.spawn("true", LIMIT), ASKED],
  "files.read": [(machine) => machine.files.read("/etc/passwd", LIMIT), ASKED],
  "files.write": [(machine) => machine.files.write("/tmp/x", "", LIMIT), ASKED],
  "files.list": [(machine) => machine.files.list("/", LIMIT), ASKED],
  "balloon.setTarget": [
    (machine) => machine.balloon.setTarget(0),
    {
      made: "balloon/absent",
      running: "balloon/absent",
      paused: "balloon/absent",
      off: "balloon/absent",
      closed: GONE,
    },
  ],
  "networks[0].plug": [(machine) => machine.networks[0]!.plug({ kind: "unplugged" }), ALWAYS],
  close: [(machine) => machine.close(), { ...ALWAYS, closed: "done" }],
};

/** A machine that has been asked for this has not just been made any more. */
const CHANGING: ReadonlySet<string> = new Set(["start", "stop", "reset", "restore"]);

describe.each(["made", "running", "paused", "off", "closed"] as const)("a machine that is %s", (state) => {
  test("does what it is asked for, or refuses it with a code", { timeout: 60_000 }, async () => {
    let made: { readonly machine: Machine; readonly kept: MachineSnapshot } | null = null;
    const outcomes: [string, string][] = [];
    for (const [name, [call]] of Object.entries(CALLS)) {
      made ??= await make();
      await enter(made.machine, state);
      outcomes.push([name, await outcomeOf(call, made)]);
      if (state === "closed" || (name !== "close" && !(state === "made" && CHANGING.has(name)))) continue;
      await made.machine.close();
      made = null;
    }
    await made?.machine.close();
    expect(Object.fromEntries(outcomes)).toEqual(
      Object.fromEntries(Object.entries(CALLS).map(([name, [, expected]]) => [name, expected[state]])),
    );
  });
});

async function make(): Promise<{ readonly machine: Machine; readonly kept: MachineSnapshot }> {
  const networks = [{ kind: "unplugged" }] as const;
  const machine = await Machine.create({ program, memoryMiB: 1, networks, start: false });
  return { machine, kept: await machine.snapshot() };
}

async function enter(machine: Machine, state: State): Promise<void> {
  if (state === "made") return;
  if (state === "closed") return machine.close();
  if (state === "off") return machine.stop();
  await machine.start();
  if (state === "paused") await machine.pause();
}

/** "done", "waits", or the code of the error; an error has one line. */
async function outcomeOf(
  call: (machine: Machine, kept: MachineSnapshot) => unknown,
  { machine, kept }: { readonly machine: Machine; readonly kept: MachineSnapshot },
): Promise<string> {
  const asked = Promise.resolve(call(machine, kept)).then(
    () => "done",
    (error: Error & { readonly code?: string }) => {
      expect(error.message).not.toContain("\n");
      return error.code ?? error.message;
    },
  );
  const waits = new Promise<string>((resolve) => setTimeout(resolve, WAIT_MS, "waits"));
  return Promise.race([asked, call === CALLS.halted![0] ? waits : asked]);
}

const WAIT_MS = 50;
