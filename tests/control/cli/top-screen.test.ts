import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TOP_KEYS, TopScreen } from "../../../host/control/cli/top-screen.js";
import type { Reading } from "../../../host/control/cli/top-table.js";
import type { MachineView } from "../../../host/control/hypervisor/schemas.js";
import { specOf } from "../../../host/hypervisor/machine-spec.js";
import { NO_USAGE } from "../../../host/hypervisor/meter.js";

const SIZE = { columns: 110, rows: 12 };
function machine(name: string, processors: number, change: Partial<MachineView> = {}): MachineView {
  return {
    spec: specOf({ name, cpu: { shares: 100 } }),
    status: "running",
    createdAt: 1,
    startedAt: 0,
    worker: 0,
    agentReady: true,
    failure: null,
    usage: NO_USAGE,
    load: {
      processors,
      entitlement: 1,
      steal: 0.25,
      touchedByteLength: 64 * 2 ** 20,
      balloonByteLength: 0,
      savedByteLength: 0,
    },
    ...change,
  };
}

function reading(machines: readonly MachineView[], timeMs = 60_000): Reading {
  return {
    timeMs,
    machines,
    host: {
      version: "1",
      startedAt: 0,
      workers: [{ processors: 0.5, machines: machines.length }],
      processors: 2,
      reservedProcessors: 0,
      memoryBudgetByteLength: 2 ** 32,
      memoryUsedByteLength: 2 ** 30,
      machines: { total: machines.length, running: machines.length, hibernated: 0 },
    },
  };
}

const names = (screen: TopScreen) =>
  screen
    .lines(SIZE)
    .slice(3)
    .map(({ text }) => text.split(" ")[0])
    .filter((name) => name !== "" && name !== "h");
const chosen = (screen: TopScreen) =>
  screen
    .lines(SIZE)
    .slice(3, -1)
    .find(({ style }) => style === "reverse")
    ?.text.split(" ")[0];

describe("viv top", () => {
  test("top: machines are sorted by processor, and by other columns when keys say so", () => {
    const screen = new TopScreen();
    screen.update(reading([machine("a", 0.1), machine("c", 0.5), machine("b", 0.3)]));
    expect(names(screen)).toEqual(["c", "b", "a"]);
    screen.press("R");
    expect(names(screen)).toEqual(["a", "b", "c"]);
    screen.press("n");
    expect(names(screen)).toEqual(["a", "b", "c"]);
    screen.press("R");
    expect(names(screen)).toEqual(["c", "b", "a"]);
  });

  test("top: the choice stays with its machine when the order changes, and keys are about it", () => {
    const screen = new TopScreen();
    screen.update(reading([machine("a", 0.9), machine("b", 0.1)]));
    expect(chosen(screen)).toBe("a");
    screen.press("down");
    screen.update(reading([machine("a", 0.1), machine("b", 0.9)]));
    expect(chosen(screen)).toBe("b");
    expect(screen.press("+")).toEqual({
      kind: "request",
      request: { action: "machine.set", machine: "b", cpu: { shares: 200 } },
    });
    expect(screen.press(" ")).toMatchObject({ request: { action: "machine.pause", machine: "b" } });
    screen.update(reading([machine("b", 0.9, { status: "paused" })]));
    expect(screen.press(" ")).toMatchObject({ request: { action: "machine.resume", machine: "b" } });
  });

  test("top: what ends a machine is asked for first, and only y means yes", () => {
    const screen = new TopScreen();
    screen.update(reading([machine("a", 0.9)]));
    expect(screen.press("K")).toBeNull();
    expect(screen.lines(SIZE).at(-1)?.text).toContain("switch off a? y or n");
    expect(screen.press("enter")).toBeNull();
    expect(screen.press("y")).toBeNull();
    screen.press("K");
    expect(screen.press("y")).toEqual({ kind: "request", request: { action: "machine.stop", machine: "a" } });
  });

  test("top: shares and limits are typed, and a limit that is none is said so", () => {
    const screen = new TopScreen();
    screen.update(reading([machine("a", 0.9)]));
    for (const key of ["l", "5", "0", "%"]) screen.press(key);
    expect(screen.press("enter")).toMatchObject({ request: { machine: "a", cpu: { limit: 0.5 } } });
    for (const key of ["w", "1", "x", "backspace", "2"]) screen.press(key);
    expect(screen.press("enter")).toMatchObject({ request: { machine: "a", cpu: { shares: 12 } } });
    for (const key of ["l", "%"]) screen.press(key);
    expect(screen.press("enter")).toBeNull();
    expect(screen.lines(SIZE).at(-1)?.text).toContain('limit: "%" is no part of a processor');
  });

  test("top: rates are what was used between two readings, over the time between them", () => {
    const screen = new TopScreen();
    screen.update(reading([machine("a", 0.9)], 1000));
    const later = { ...NO_USAGE, diskReadBytes: 3 * 2 ** 20, diskWrittenBytes: 2 ** 20, networkSentBytes: 4096 };
    screen.update(reading([machine("a", 0.9, { usage: later })], 3000));
    expect(screen.lines(SIZE)[3]?.text).toMatch(/ 2\.0 MiB +2\.0 KiB /);
  });

  test("top: every size of a terminal has as many lines as it has rows, none wider than it, whatever keys come", () => {
    const key = fc.oneof(
      fc.constantFrom(
        "up",
        "down",
        "left",
        "right",
        "home",
        "end",
        "enter",
        "escape",
        "backspace",
        "K",
        "w",
        "l",
        "h",
        "x",
      ),
      fc.string({ minLength: 1, maxLength: 1 }),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 0, max: 100 }),
        fc.array(key, { maxLength: 30 }),
        (columns, rows, count, keys) => {
          const screen = new TopScreen();
          screen.update(reading(Array.from({ length: count }, (_, index) => machine(`m-${index}`, index / 100))));
          for (const one of keys) {
            screen.press(one);
            const lines = screen.lines({ columns, rows });
            expect(lines).toHaveLength(rows);
            for (const { text } of lines) expect(text.length).toBeLessThanOrEqual(columns);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test("top: text of a machine cannot write to the terminal, and the help names every key that does something", () => {
    const screen = new TopScreen();
    const failing = machine("a", 1);
    screen.update(reading([{ ...failing, spec: { ...failing.spec, pool: "\u001b[2J\u202e" } }]));
    screen.notice("\u001b[31mred");
    for (const { text } of screen.lines(SIZE)) expect(text).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    screen.press("h");
    const help = screen
      .lines({ columns: 80, rows: 40 })
      .map(({ text }) => text)
      .join("\n");
    for (const [keys] of TOP_KEYS) expect(help).toContain(keys);
  });
});
