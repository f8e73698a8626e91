import { expect, test } from "vitest";
import { ExecSession, type KeptServices } from "../../host/control/exec-session.js";
import {
  EXITED,
  encodeFrame,
  FAILED,
  HELLO,
  INPUT,
  QUIT,
  START,
  STARTED,
  STDERR,
  STDOUT,
  STRINGS,
  WELCOME,
  WINDOW,
  words,
} from "../../host/guest-agent/protocol.js";

const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const text = (bytes: Uint8Array) => String.fromCharCode(...bytes);

/** A machine whose agent is the test. */
function scene(command = "uname -a", kept?: KeptServices) {
  const frames: { readonly type: number; readonly payload: Uint8Array }[] = [];
  const seen = { stdout: "", stderr: "", stops: 0 };
  const guest = {
    serialInput: { waitingByteLength: 0, write: () => {} },
    resizeConsole: () => {},
    stop: () => void seen.stops++,
    port: (name: string) => ({
      open: true,
      waitingByteLength: 0,
      write(frame: Uint8Array) {
        expect(name).toBe("viv.agent");
        frames.push({ type: frame[0]!, payload: frame.subarray(12) });
      },
      close: () => {},
    }),
  };
  const outputs = {
    stdout: {
      write(bytes: Uint8Array) {
        seen.stdout += text(bytes);
      },
    },
    stderr: {
      write(bytes: Uint8Array) {
        seen.stderr += text(bytes);
      },
    },
  };
  const session = new ExecSession(command, outputs, kept);
  const [port] = session.ports;
  const payloads = (type: number) => frames.filter((frame) => frame.type === type).map(({ payload }) => payload);
  const send = (type: number, payload: Uint8Array, process = 1) => port!.receive(encodeFrame(type, process, payload));
  const come = () => {
    port!.openChanged?.(true);
    send(WELCOME, payloads(HELLO).at(-1)!, 2);
  };
  const start = () => {
    session.attach(guest);
    come();
    send(STARTED, words(100));
  };
  return { session, guest, seen, port: port!, payloads, send, come, start };
}

test("exec session: the agent is given a shell with the command", () => {
  const { session, guest, payloads, come } = scene("echo \u00e4");
  session.attach(guest);
  expect(session.ready).toBe(false);
  come();
  expect(session.ready).toBe(true);
  expect(text(payloads(STRINGS)[0]!)).toMatch(/^\.\0\/bin\/sh\0\/bin\/sh\0-c\0echo \xc3\xa4\0PATH=/);
  expect(payloads(START).length).toBe(1);
});

test("exec session: in a machine that goes on, the command starts once the clock is set, or cannot be", () => {
  const kept = { randomBytes: (into: Uint8Array) => void into.fill(1), nowMs: () => 1_700_000_000_400 };
  for (const answer of [
    { type: EXITED, payload: words(0) },
    { type: FAILED, payload: words(2, 2) },
  ]) {
    const { session, guest, payloads, send } = scene("uname", kept);
    session.attach(guest);
    send(WELCOME, payloads(HELLO).at(-1)!, 2);
    expect(payloads(STRINGS).map(text)).toEqual([expect.stringContaining("\0date\0-s\0@1700000000\0")]);
    if (answer.type === EXITED) send(STARTED, words(100), 2);
    send(answer.type, answer.payload, 2);
    expect(text(payloads(STRINGS)[1]!)).toContain("-c\0uname\0");
    expect(session.conclude({ kind: "poweroff" })).toEqual({ kind: "poweroff" });
  }
});

test("exec session: in a machine that is switched on, the clock is left alone", () => {
  const kept = { randomBytes: (into: Uint8Array) => void into.fill(1), nowMs: () => 0 };
  const { session, guest, payloads, come } = scene("uname", kept);
  session.attach({ ...guest, port: (name) => ({ ...guest.port(name), open: false }) });
  expect(payloads(HELLO)).toEqual([]);
  come();
  expect(payloads(STRINGS).map(text)).toEqual([expect.stringContaining("-c\0uname\0")]);
});

test("exec session: a command that no process can be given is refused", () => {
  expect(() => scene("a\0b")).toThrow("NUL character");
  expect(() => scene("x".repeat(131_071))).not.toThrow();
  expect(() => scene("x".repeat(131_072))).toThrow("at most 131071");
});

test("exec session: both outputs are relayed byte for byte and the console is not among them", () => {
  const { session, seen, start, send } = scene();
  start();
  session.serial.write(bytes("[ 0.1] Linux\n"));
  send(STDOUT, bytes("out\x00\xff"));
  send(STDERR, bytes("err\n"));
  expect(seen).toEqual({ stdout: "out\x00\xff", stderr: "err\n", stops: 0 });
  expect(text(session.consoleTail)).toBe("[ 0.1] Linux\n");
});

test("exec session: standard input is relayed, what came before the machine too, and its end", async () => {
  const { session, payloads, start } = scene();
  const early = session.input(bytes("a\x00"));
  start();
  await early;
  await session.input(bytes("b"));
  session.endInput();
  expect(payloads(INPUT).map(text)).toEqual(["a\x00", "b", ""]);
});

test("exec session: standard input is read no faster than the command takes it", async () => {
  const { session, start, send } = scene();
  start();
  let taken = false;
  const input = session.input(new Uint8Array(WINDOW + 1)).then(() => {
    taken = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(taken).toBe(false);
  send(22, words(WINDOW));
  await input;
});

test.each([
  [42 << 8, 42],
  [15, 143],
  [0x80 | 11, 139],
])("exec session: wait status %d is the program's status %d, and the agent may quit", (wait, status) => {
  const { session, payloads, start, send } = scene();
  start();
  send(EXITED, words(wait));
  expect(payloads(QUIT).length).toBe(1);
  expect(session.conclude({ kind: "poweroff" })).toEqual({ kind: "command", status });
});

test("exec session: a guest that ends without an answer has not run the command to its end", () => {
  const { session, start } = scene();
  start();
  expect(session.conclude({ kind: "poweroff" })).toEqual({ kind: "poweroff" });
  expect(session.conclude({ kind: "reboot" })).toEqual({ kind: "reboot" });
  expect(session.conclude({ kind: "fail", code: 4 })).toEqual({ kind: "fail", code: 4 });
});

test("exec session: a command that cannot be started, or kills the agent, ends the run", () => {
  const refused = scene();
  refused.session.attach(refused.guest);
  refused.come();
  refused.send(FAILED, words(2, 2));
  expect(refused.seen.stops).toBe(1);
  expect(refused.session.conclude({ kind: "stopped" })).toEqual({
    kind: "lost",
    message: "/bin/sh: no such program in the guest",
  });
  const killed = scene();
  killed.start();
  killed.port.openChanged?.(false);
  expect(killed.seen.stops).toBe(1);
  expect(killed.session.conclude({ kind: "stopped" })).toMatchObject({ kind: "lost" });
});

test("exec session: a panic ends the run, whether the kernel resets or hangs", () => {
  const { session, guest, seen } = scene();
  session.attach(guest);
  const panic = { kind: "panic", message: "Kernel panic - not syncing: no init" };
  session.serial.write(bytes("[ 1.0] Kernel panic - not syncing: no init\n"));
  expect(seen.stops).toBe(0);
  expect(session.conclude({ kind: "reboot" })).toEqual(panic);
  session.serial.write(bytes("[ 1.1] ---[ end Kernel panic - not syncing: no init ]---\n"));
  expect(seen.stops).toBe(1);
  expect(session.conclude({ kind: "stopped" })).toEqual(panic);
});
