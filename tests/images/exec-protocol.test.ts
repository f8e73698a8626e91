import fc from "fast-check";
import { expect, test } from "vitest";
import { commandLineFor } from "../../host/images/command-line.js";
import {
  COMMAND_MAX_BYTES,
  type ExecStatus,
  ExecStatusReader,
  encodeExecRequest,
  encodeTerminalSize,
  exitCodeOf,
} from "../../host/images/exec-protocol.js";

const ascii = (text: string): Uint8Array => Buffer.from(text, "latin1");

test("exec request: the command's length in bytes, a line feed, the command", () => {
  expect(Buffer.from(encodeExecRequest("echo é\n")).toString("latin1")).toBe("8\necho \xc3\xa9\n");
});

test("exec request: a command that no process can be given is refused", () => {
  expect(() => encodeExecRequest("a\0b")).toThrow("the command contains a NUL character");
  expect(() => encodeExecRequest("x".repeat(COMMAND_MAX_BYTES))).not.toThrow();
  expect(() => encodeExecRequest("x".repeat(COMMAND_MAX_BYTES + 1))).toThrow("at most 131071 fit");
});

test.each<[string, ExecStatus]>([
  ["exit 0\n", { kind: "exit", code: 0 }],
  ["exit 255\n", { kind: "exit", code: 255 }],
  ["signal 9\n", { kind: "signal", number: 9 }],
])("exec status: %j arrives in any pieces", (line, status) => {
  fc.assert(
    fc.property(fc.subarray([...line].map((_, index) => index)), (cuts) => {
      const reader = new ExecStatusReader();
      const ends = [...cuts, line.length];
      const answers = ends.map((end, index) => reader.push(ascii(line.slice(ends[index - 1] ?? 0, end))));
      expect(answers.pop()).toEqual(status);
      expect(answers.every((answer) => answer === null)).toBe(true);
    }),
  );
});

test.each(["exit 256\n", "exit -1\n", "exit\n", " exit 0\n", "exit 0 \n", `${"x".repeat(100)}\n`, "\n"])(
  "exec status: %j is no answer, but the next line may be one",
  (line) => {
    const reader = new ExecStatusReader();
    expect(reader.push(ascii(line))).toBeNull();
    expect(reader.push(ascii("exit 3\n"))).toEqual({ kind: "exit", code: 3 });
  },
);

test("exec status: as an exit code it is what a shell says, 128 more for a signal", () => {
  expect(exitCodeOf({ kind: "exit", code: 7 })).toBe(7);
  expect(exitCodeOf({ kind: "signal", number: 15 })).toBe(143);
});

test("terminal size: one line with columns, then rows", () => {
  expect(Buffer.from(encodeTerminalSize(120, 40)).toString()).toBe("size 120 40\n");
});

test("command line: each mode adds its words to the image's own", () => {
  expect(commandLineFor("quiet", { kind: "exec" })).toBe("quiet viv.exec");
  expect(commandLineFor("quiet", { kind: "interactive" })).toBe("quiet");
  expect(commandLineFor("quiet", { kind: "interactive", columns: 80, rows: 24, terminal: "xterm-256color" })).toBe(
    "quiet viv.columns=80 viv.rows=24 viv.term=xterm-256color",
  );
});

test("command line: impossible sizes and names with spaces are left out, for they could be other words", () => {
  expect(commandLineFor("", { kind: "interactive", columns: 0, rows: 24, terminal: "x init=/bin/sh" })).toBe("");
});

test("command line: more than Linux takes is refused", () => {
  expect(() => commandLineFor("x".repeat(1015), { kind: "exec" })).toThrow("1024 bytes long: Linux takes at most 1023");
  expect(commandLineFor("x".repeat(1014), { kind: "exec" }).length).toBe(1023);
});
