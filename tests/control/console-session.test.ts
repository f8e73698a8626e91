import { expect, test } from "vitest";
import { ConsoleSession } from "../../host/control/console-session.js";

const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const text = (bytes: Uint8Array) => String.fromCharCode(...bytes);

/** A machine and an operator that note what reaches them. */
function scene(interactive: boolean) {
  const seen = { typed: "", screen: "", notices: [] as string[], sizes: [] as string[], stops: 0, ready: 0 };
  const guest = {
    serialInput: {
      write(typed: Uint8Array) {
        seen.typed += text(typed);
      },
    },
    resizeConsole: (columns: number, rows: number) => void seen.sizes.push(`${columns}x${rows}`),
    stop: () => void seen.stops++,
  };
  const operator = {
    screen: {
      write(output: Uint8Array) {
        seen.screen += text(output);
      },
    },
    notice: (line: string) => void seen.notices.push(line),
    interactive,
  };
  const session = new ConsoleSession(operator, () => void seen.ready++);
  session.attach(guest);
  return { seen, guest, session };
}

const HANG =
  "[ 1.0] Kernel panic - not syncing: no init\r\n[ 1.1] ---[ end Kernel panic - not syncing: no init ]---\r\n";
const PANIC = { kind: "panic", message: "Kernel panic - not syncing: no init" };

test("console session: bytes go both ways unchanged", () => {
  const { seen, session } = scene(true);
  session.serial.write(bytes("hello\xff\r\n"));
  session.type(bytes("ls\x03\r"));
  expect(seen).toMatchObject({ screen: "hello\xff\r\n", typed: "ls\x03\r", stops: 0 });
});

test("console session: Ctrl-A X stops the machine and the operator has left", () => {
  const { seen, session } = scene(true);
  session.type(bytes("a\x01x"));
  expect(seen).toMatchObject({ typed: "a", stops: 1 });
  expect(session.conclude({ kind: "stopped" })).toEqual({ kind: "left" });
});

test("console session: Ctrl-A H lists the keys", () => {
  const { seen, session } = scene(true);
  session.type(bytes("\x01h"));
  expect(seen.notices.join("\n")).toContain("Ctrl-A X");
  expect(seen.typed).toBe("");
});

test("console session: input that no person types has no escape keys", () => {
  const { seen, session } = scene(false);
  session.type(bytes("\x01x\x01h"));
  expect(seen).toMatchObject({ typed: "\x01x\x01h", notices: [], stops: 0 });
});

test("console session: a hung guest ends the run, unless a person is there to decide", () => {
  const script = scene(false);
  script.session.serial.write(bytes(HANG));
  expect(script.seen.stops).toBe(1);
  expect(script.session.conclude({ kind: "stopped" })).toEqual(PANIC);

  const person = scene(true);
  person.session.serial.write(bytes(HANG));
  person.session.serial.write(bytes("more\r\n"));
  expect(person.seen.stops).toBe(0);
  expect(person.seen.notices).toEqual(["viv: the guest panicked; Ctrl-A X leaves"]);
});

test("console session: the first prompt is reported once for each machine", () => {
  const { seen, guest, session } = scene(true);
  session.serial.write(bytes("/ # "));
  session.serial.write(bytes("ls\r\n/ # "));
  expect(seen.ready).toBe(1);
  session.attach(guest);
  session.serial.write(bytes("/ # "));
  expect(seen.ready).toBe(2);
});

test("console session: a machine that starts later learns the size, and forgets an earlier panic", () => {
  const { seen, guest, session } = scene(true);
  session.resize(120, 40);
  session.serial.write(bytes(HANG));
  session.attach(guest);
  expect(seen.sizes).toEqual(["120x40", "120x40"]);
  expect(session.conclude({ kind: "reboot" })).toBeNull();
});

test("console session: a guest that resets itself starts again, one that resets after a panic does not", () => {
  const { session } = scene(true);
  expect(session.conclude({ kind: "reboot" })).toBeNull();
  session.serial.write(bytes("[ 1.0] Kernel panic - not syncing: no init\r\n"));
  expect(session.conclude({ kind: "reboot" })).toEqual(PANIC);
});

test("console session: a guest that switches itself off or fails has said so itself", () => {
  const { session } = scene(true);
  session.serial.write(bytes(HANG));
  expect(session.conclude({ kind: "poweroff" })).toEqual({ kind: "poweroff" });
  expect(session.conclude({ kind: "fail", code: 5 })).toEqual({ kind: "fail", code: 5 });
  expect(session.conclude({ kind: "htif", exitCode: 1, testNumber: 3 })).toEqual({
    kind: "htif",
    exitCode: 1,
    testNumber: 3,
  });
});
