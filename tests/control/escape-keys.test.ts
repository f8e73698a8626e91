import { expect, test } from "vitest";
import { EscapeKeys } from "../../host/control/escape-keys.js";

const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

test("escape keys: ordinary keys go to the guest, Ctrl-C and arrow keys among them", () => {
  const keys = new EscapeKeys();
  expect(keys.take(bytes("ls\r\x03\x1b[A\xff\x00"))).toEqual({
    forwarded: bytes("ls\r\x03\x1b[A\xff\x00"),
    commands: [],
  });
});

test("escape keys: Ctrl-A x and Ctrl-A X leave, and nothing typed after that is forwarded", () => {
  expect(new EscapeKeys().take(bytes("a\x01xb"))).toEqual({ forwarded: bytes("a"), commands: ["leave"] });
  expect(new EscapeKeys().take(bytes("\x01X"))).toEqual({ forwarded: bytes(""), commands: ["leave"] });
});

test("escape keys: Ctrl-A h, H and ? ask for help and the rest is forwarded", () => {
  expect(new EscapeKeys().take(bytes("\x01ha\x01Hb\x01?c"))).toEqual({
    forwarded: bytes("abc"),
    commands: ["help", "help", "help"],
  });
});

test("escape keys: Ctrl-A Ctrl-A sends one Ctrl-A", () => {
  const keys = new EscapeKeys();
  expect(keys.take(bytes("\x01\x01\x01\x01x"))).toEqual({ forwarded: bytes("\x01\x01x"), commands: [] });
});

test("escape keys: the command may arrive in a later read", () => {
  const keys = new EscapeKeys();
  expect(keys.take(bytes("\x01"))).toEqual({ forwarded: bytes(""), commands: [] });
  expect(keys.take(bytes("x"))).toEqual({ forwarded: bytes(""), commands: ["leave"] });
});

test("escape keys: an unknown command is dropped with its escape key", () => {
  expect(new EscapeKeys().take(bytes("a\x01zb"))).toEqual({ forwarded: bytes("ab"), commands: [] });
});
