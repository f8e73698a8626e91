import { expect, test } from "vitest";
import { ExecSession } from "../../host/control/exec-session.js";

const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const text = (bytes: Uint8Array) => String.fromCharCode(...bytes);

/** A machine that notes what is written to its ports. */
function scene(command = "uname -a") {
  const written: Record<string, string> = {};
  const closed: string[] = [];
  const opened = new Set<string>();
  const waiting = { byteLength: 0 };
  const seen = { stdout: "", stderr: "", stops: 0 };
  const guest = {
    serialInput: { waitingByteLength: 0, write: () => {} },
    resizeConsole: () => {},
    stop: () => void seen.stops++,
    port: (name: string) => ({
      open: opened.has(name),
      get waitingByteLength() {
        return waiting.byteLength;
      },
      write(bytes: Uint8Array) {
        written[name] = (written[name] ?? "") + text(bytes);
      },
      close: () => void closed.push(name),
    }),
  };
  const session = new ExecSession(command, {
    stdout: {
      write(bytes) {
        seen.stdout += text(bytes);
      },
    },
    stderr: {
      write(bytes) {
        seen.stderr += text(bytes);
      },
    },
  });
  const receive = (name: string, data: string) =>
    session.ports.find((port) => port.name === name)?.receive(bytes(data));
  return { session, guest, written, closed, opened, waiting, seen, receive };
}

test("exec session: the ports come in the order in which the protocol opens them", () => {
  const names = scene().session.ports.map((port) => port.name);
  expect(names).toEqual(["viv.stdin", "viv.stdout", "viv.stderr", "viv.control"]);
});

test("exec session: the request is the command's length in bytes, a line feed and the command", () => {
  const { session, guest, written } = scene("echo \u00e4");
  session.attach(guest);
  expect(written).toEqual({ "viv.control": "7\necho \u00c3\u00a4" });
});

test("exec session: both outputs are relayed byte for byte and the console is not among them", () => {
  const { session, guest, seen, receive } = scene();
  session.attach(guest);
  session.serial.write(bytes("[ 0.1] Linux\n"));
  receive("viv.stdout", "out\x00\xff");
  receive("viv.stderr", "err\n");
  expect(seen).toEqual({ stdout: "out\x00\xff", stderr: "err\n", stops: 0 });
  expect(text(session.consoleTail)).toBe("[ 0.1] Linux\n");
});

test("exec session: standard input is relayed, what came before the machine too, and its end", async () => {
  const { session, guest, written, closed } = scene();
  const early = session.input(bytes("a\x00"));
  session.attach(guest);
  await early;
  await session.input(bytes("b"));
  await session.endInput();
  expect(written["viv.stdin"]).toBe("a\x00b");
  expect(closed).toEqual(["viv.stdin"]);
});

test("exec session: standard input is read no faster than the guest takes it", async () => {
  const { session, guest, waiting } = scene();
  session.attach(guest);
  waiting.byteLength = 1_000_000;
  let taken = false;
  const input = session.input(bytes("a")).then(() => {
    taken = true;
  });
  session.poll();
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(taken).toBe(false);
  waiting.byteLength = 0;
  session.poll();
  await input;
});

test("exec session: the guest is ready when it has opened the control port", () => {
  const { session, guest, opened } = scene();
  session.attach(guest);
  session.poll();
  expect(session.ready).toBe(false);
  opened.add("viv.control");
  session.poll();
  opened.clear();
  expect(session.ready).toBe(true);
});

test("exec session: the answer, in however many pieces, is the status; then the control port is closed", () => {
  const { session, guest, closed, receive } = scene();
  session.attach(guest);
  receive("viv.control", "exi");
  expect(closed).toEqual([]);
  receive("viv.control", "t 42\n");
  expect(closed).toEqual(["viv.control"]);
  expect(session.conclude({ kind: "poweroff" })).toEqual({ kind: "command", status: 42 });
});

test("exec session: a command ended by signal 15 has status 143", () => {
  const { session, guest, receive } = scene();
  session.attach(guest);
  receive("viv.control", "signal 15\n");
  expect(session.conclude({ kind: "poweroff" })).toEqual({ kind: "command", status: 143 });
});

test("exec session: a guest that ends without an answer has not run the command to its end", () => {
  const { session, guest } = scene();
  session.attach(guest);
  expect(session.conclude({ kind: "poweroff" })).toEqual({ kind: "poweroff" });
  expect(session.conclude({ kind: "reboot" })).toEqual({ kind: "reboot" });
  expect(session.conclude({ kind: "fail", code: 4 })).toEqual({ kind: "fail", code: 4 });
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

test("exec session: an input that has ended before there is a machine is ended for it", async () => {
  const { session, guest, closed } = scene();
  const end = session.endInput();
  session.attach(guest);
  await end;
  expect(closed).toEqual(["viv.stdin"]);
});
