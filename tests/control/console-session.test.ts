import { expect, test } from "vitest";
import { ConsoleSession } from "../../host/control/console-session.js";

const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const text = (bytes: Uint8Array) => String.fromCharCode(...bytes);

/** A machine and an operator that note what reaches them. */
function scene(interactive: boolean) {
  const seen = { typed: "", screen: "", notices: [] as string[], sizes: [] as string[], stops: 0, control: "" };
  const control = {
    open: false,
    waitingByteLength: 0,
    write(bytes: Uint8Array) {
      seen.control += text(bytes);
    },
    close: () => {},
  };
  const guest = {
    serialInput: {
      waitingByteLength: 0,
      write(typed: Uint8Array) {
        seen.typed += text(typed);
      },
    },
    resizeConsole: (columns: number, rows: number) => void seen.sizes.push(`${columns}x${rows}`),
    stop: () => void seen.stops++,
    port(name: string) {
      expect(name).toBe("viv.control");
      return control;
    },
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
  const session = new ConsoleSession(operator, interactive ? { columns: 80, rows: 24 } : null);
  session.attach(guest);
  return { seen, guest, control, session };
}

const HANG =
  "[ 1.0] Kernel panic - not syncing: no init\r\n[ 1.1] ---[ end Kernel panic - not syncing: no init ]---\r\n";
const PANIC = { kind: "panic", message: "Kernel panic - not syncing: no init" };

test("console session: bytes go both ways unchanged", async () => {
  const { seen, session } = scene(true);
  session.serial.write(bytes("hello\xff\r\n"));
  await session.type(bytes("ls\x03\r"));
  expect(seen).toMatchObject({ screen: "hello\xff\r\n", typed: "ls\x03\r", stops: 0 });
});

test("console session: Ctrl-A X stops the machine and the operator has left", async () => {
  const { seen, session } = scene(true);
  await session.type(bytes("a\x01x"));
  expect(seen).toMatchObject({ typed: "a", stops: 1 });
  expect(session.conclude({ kind: "stopped" })).toEqual({ kind: "left" });
});

test("console session: Ctrl-A H lists the keys", async () => {
  const { seen, session } = scene(true);
  await session.type(bytes("\x01h"));
  expect(seen.notices.join("\n")).toContain("Ctrl-A X");
  expect(seen.typed).toBe("");
});

test("console session: input that no person types has no escape keys", async () => {
  const { seen, session } = scene(false);
  await session.type(bytes("\x01x\x01h"));
  expect(seen).toMatchObject({ typed: "\x01x\x01h", notices: [], stops: 0 });
});

test("console session: a hung guest ends the run, unless a person is there to decide", async () => {
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

test("console session: the guest is ready when it has shown a prompt", async () => {
  const { session } = scene(true);
  session.serial.write(bytes("[    0.1] Linux\r\n"));
  expect(session.ready).toBe(false);
  session.serial.write(bytes("/ # "));
  expect(session.ready).toBe(true);
});

test("console session: a machine that starts later learns the size, and forgets an earlier panic", async () => {
  const { seen, guest, session } = scene(true);
  session.resize({ columns: 120, rows: 40 });
  session.serial.write(bytes(HANG));
  session.attach(guest);
  expect(seen.sizes).toEqual(["80x24", "120x40", "120x40"]);
  expect(session.conclude({ kind: "reboot" })).toBeNull();
});

test("console session: an image's guest is told the size as a line, once it listens and whenever it changes", async () => {
  const { seen, control, session } = scene(true);
  session.poll();
  session.resize({ columns: 100, rows: 30 });
  expect(seen.control).toBe("");
  control.open = true;
  session.poll();
  session.poll();
  expect(seen.control).toBe("size 100 30\n");
  session.resize({ columns: 90, rows: 20 });
  expect(seen.control).toBe("size 100 30\nsize 90 20\n");
});

test("console session: without a terminal there is no size to tell", async () => {
  const { seen, control, session } = scene(false);
  control.open = true;
  session.poll();
  expect(seen).toMatchObject({ sizes: [], control: "" });
});

test("console session: a program that types faster than the guest reads has to wait, a person has not", async () => {
  const script = scene(false);
  script.guest.serialInput.waitingByteLength = 100_000;
  let taken = false;
  const typed = script.session.type(bytes("x")).then(() => {
    taken = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(taken).toBe(false);
  script.guest.serialInput.waitingByteLength = 0;
  script.session.poll();
  await typed;

  const person = scene(true);
  person.guest.serialInput.waitingByteLength = 100_000;
  await person.session.type(bytes("x"));
  expect(person.seen.typed).toBe("x");
});

test("console session: leaving a guest that has panicked and hangs tells of the panic", async () => {
  const { session } = scene(true);
  session.serial.write(bytes(HANG));
  await session.type(bytes("\x01x"));
  expect(session.conclude({ kind: "stopped" })).toEqual(PANIC);
});

test("console session: a guest that resets itself starts again, one that resets after a panic does not", async () => {
  const { session } = scene(true);
  expect(session.conclude({ kind: "reboot" })).toBeNull();
  session.serial.write(bytes("[ 1.0] Kernel panic - not syncing: no init\r\n"));
  expect(session.conclude({ kind: "reboot" })).toEqual(PANIC);
});

test("console session: a guest that switches itself off or fails has said so itself", async () => {
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

test("console session: what is typed before there is a machine waits for it", async () => {
  let typed = "";
  const operator = { screen: { write: () => {} }, notice: () => {}, interactive: true };
  const session = new ConsoleSession(operator, null);
  const early = session.type(bytes("ls\r"));
  session.attach({
    ...scene(true).guest,
    serialInput: {
      waitingByteLength: 0,
      write(bytes) {
        typed += text(bytes);
      },
    },
  });
  await early;
  expect(typed).toBe("ls\r");
});
