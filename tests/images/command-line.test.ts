import { expect, test } from "vitest";
import { commandLineFor } from "../../host/images/command-line.js";
import { encodeTerminalSize } from "../../host/images/control-port.js";

test("terminal size: one line with columns, then rows", () => {
  expect(Buffer.from(encodeTerminalSize(120, 40)).toString()).toBe("size 120 40\n");
});

test("command line: each mode adds its words to the image's own", () => {
  expect(commandLineFor("quiet", { kind: "agent" })).toBe("quiet viv.agent");
  expect(commandLineFor("quiet", { kind: "stay" })).toBe("quiet viv.stay");
  expect(commandLineFor("quiet", { kind: "interactive" })).toBe("quiet");
  expect(commandLineFor("quiet", { kind: "interactive", columns: 80, rows: 24, terminal: "xterm-256color" })).toBe(
    "quiet viv.columns=80 viv.rows=24 viv.term=xterm-256color",
  );
});

test("command line: impossible sizes and names with spaces are left out, for they could be other words", () => {
  expect(commandLineFor("", { kind: "interactive", columns: 0, rows: 24, terminal: "x init=/bin/sh" })).toBe("");
});

test("command line: more than Linux takes is refused", () => {
  expect(() => commandLineFor("x".repeat(1014), { kind: "agent" })).toThrow(
    "1024 bytes long: Linux takes at most 1023",
  );
  expect(commandLineFor("x".repeat(1013), { kind: "agent" }).length).toBe(1023);
  // Linux counts bytes.
  expect(() => commandLineFor("ä".repeat(600), { kind: "stay" })).toThrow("1209 bytes long");
});
