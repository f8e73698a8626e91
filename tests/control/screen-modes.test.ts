import { expect, test } from "vitest";
import { ScreenModes } from "../../host/control/screen-modes.js";

function after(text: string): string {
  const modes = new ScreenModes();
  for (const character of text) modes.write(Uint8Array.of(character.charCodeAt(0)));
  return modes.undo();
}

test("screen modes: ordinary output that ends its line leaves nothing to undo", () => {
  expect(after("")).toBe("");
  expect(after("hello\r\n\x1b[31mred\x1b[m\n")).toBe("");
});

test("screen modes: output in the middle of a line is ended, and colours with it", () => {
  expect(after("~ # ")).toBe("\x1b[m\n");
});

test("screen modes: the other screen, mouse reports and a hidden cursor are undone", () => {
  expect(after("\x1b[?1049h\x1b[?25l\x1b[?1000;1006htext\n")).toBe("\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1006l");
});

test("screen modes: what the program has undone itself stays undone", () => {
  expect(after("\x1b[?1049h\x1b[?25l\x1b[?25h\x1b[?1049l\n")).toBe("");
});

test("screen modes: switching off what was off is no change", () => {
  expect(after("\x1b[?2004l\x1b[?25h\n")).toBe("");
});

test("screen modes: other sequences, broken ones and endless ones mean nothing", () => {
  expect(after("\x1b[4h\x1b[?1049\x1b[?\x1bc\x1b]0;title\x07\n")).toBe("");
  expect(after(`\x1b[?${"9".repeat(1000)}h\n`)).toBe("");
  expect(after("\x1b[?;h\n")).toBe("");
});

test("screen modes: is undone once", () => {
  const modes = new ScreenModes();
  modes.write(Uint8Array.from("\x1b[?1049hx", (character) => character.charCodeAt(0)));
  expect(modes.undo()).toBe("\x1b[?1049l\x1b[m\n");
  expect(modes.undo()).toBe("");
});
