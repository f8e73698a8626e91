import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { echo, endless, hello } from "./bare-programs.js";
import { VIV } from "./viv-process.js";

const directory = mkdtempSync(join(tmpdir(), "viv-terminal-"));
afterAll(() => rmSync(directory, { recursive: true }));

function bare(name: string, program: Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, program);
  return `'${process.execPath}' '${VIV}' run --bare '${path}'`;
}

/** What to type when the screen has come to show something that was not there before. */
interface Step {
  readonly when: string;
  readonly type: string;
}

/**
 * Runs a shell command on a terminal of its own, made by script(1).
 *
 * @returns everything that the terminal has shown
 */
async function onTerminal(command: string, steps: readonly Step[] = []): Promise<string> {
  const child = spawn("script", ["-qec", command, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"] });
  let shown = "";
  let seen = 0;
  let next = 0;
  child.stdout.setEncoding("latin1").on("data", (text: string) => {
    shown += text;
    const step = steps[next];
    const at = step === undefined ? -1 : shown.indexOf(step.when, seen);
    if (step === undefined || at === -1) return;
    next++;
    seen = at + step.when.length;
    child.stdin.write(step.type);
  });
  await new Promise((resolve) => child.on("close", resolve));
  return shown;
}

/** The command between two looks at the terminal's settings, and its status. */
const observed = (command: string) => `stty -g; ${command}; echo "status $?"; stty -g`;
const settings = (shown: string) => shown.match(/^[0-9a-f]+(:[0-9a-f]+)+/gm);

test("terminal: keys reach the guest at once, Ctrl-C too, without an echo of the host's", async () => {
  const shown = await onTerminal(bare("echo", echo("up")), [
    { when: "up", type: "a\x03b\x1a" },
    { when: "a\x03b\x1a", type: "\x01x" },
  ]);
  expect(shown).toBe("upa\x03b\x1a\x1b[m\r\n");
});

test("terminal: Ctrl-A X leaves with status 0 and the terminal as it was", async () => {
  const shown = await onTerminal(observed(bare("endless", endless("up"))), [{ when: "up", type: "\x01x" }]);
  expect(shown).toContain("status 0");
  const [before, after] = settings(shown) ?? [];
  expect(before).toBeDefined();
  expect(after).toBe(before);
});

test("terminal: Ctrl-A H lists the keys and the guest goes on", async () => {
  const shown = await onTerminal(bare("echo", echo("up")), [
    { when: "up", type: "\x01h" },
    { when: "send Ctrl-A to the guest\r\n", type: "still here" },
    { when: "still here", type: "\x01X" },
  ]);
  expect(shown).toContain("Ctrl-A X  leave");
});

test("terminal: is as it was after the guest has switched itself off", async () => {
  const shown = await onTerminal(observed(bare("hello", hello("hi"))));
  expect(shown).toContain("status 0");
  const [before, after] = settings(shown) ?? [];
  expect(after).toBe(before);
});

for (const [signal, status] of [
  ["TERM", 143],
  ["HUP", 129],
  ["INT", 130],
] as const) {
  test(`terminal: is as it was after SIG${signal}`, async () => {
    const kill = `(sleep 2; kill -${signal} $(cat '${directory}/pid'))&`;
    const run = `${kill} sh -c 'echo $$ > "${directory}/pid"; exec "$@"' sh ${bare("endless", endless("up"))}`;
    const shown = await onTerminal(observed(run));
    expect(shown).toContain(`status ${status}`);
    const [before, after] = settings(shown) ?? [];
    expect(after).toBe(before);
  });
}

test("terminal: the other screen and a hidden cursor are undone when the operator leaves", async () => {
  const program = endless("\x1b[?1049h\x1b[?25lvi");
  const shown = await onTerminal(bare("screen", program), [{ when: "vi", type: "\x01x" }]);
  expect(shown.slice(shown.indexOf("vi"))).toBe("vi\x1b[?1049l\x1b[?25h\x1b[m\r\n");
});
