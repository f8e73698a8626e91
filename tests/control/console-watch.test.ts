import { expect, test } from "vitest";
import { ConsoleWatch } from "../../host/control/console-watch.js";

const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** Each character in a write of its own, which is how a UART delivers them. */
function watch(text: string): ConsoleWatch {
  const console = new ConsoleWatch();
  for (const character of text) console.write(bytes(character));
  return console;
}

test("console watch: a kernel panic is told without its time stamp", () => {
  const console = watch("[    0.5] ok\r\n[    1.000000] Kernel panic - not syncing: VFS: Unable to mount root fs\r\n");
  expect(console.panic).toBe("Kernel panic - not syncing: VFS: Unable to mount root fs");
  expect(console.hung).toBe(false);
});

test("console watch: the end marker after a panic means that the kernel hangs", () => {
  const console = watch(
    "[    1.0] Kernel panic - not syncing: Attempted to kill init!\r\n[    1.1] CPU: 0\r\n" +
      "[    1.2] ---[ end Kernel panic - not syncing: Attempted to kill init! ]---\r\n",
  );
  expect(console.panic).toBe("Kernel panic - not syncing: Attempted to kill init!");
  expect(console.hung).toBe(true);
});

test("console watch: an end marker without a panic before it means nothing", () => {
  const console = watch("---[ end Kernel panic - not syncing: x ]---\n");
  expect(console.panic).toBeNull();
  expect(console.hung).toBe(false);
});

test("console watch: the first panic message stays", () => {
  const console = watch("Kernel panic - not syncing: first\nKernel panic - not syncing: second\n");
  expect(console.panic).toBe("Kernel panic - not syncing: first");
});

test("console watch: a panic of before that a program shows is none, for the program goes on", () => {
  const log = "[    1.0] Kernel panic - not syncing: x\r\n[    1.2] ---[ end Kernel panic - not syncing: x ]---\r\n";
  expect(watch(log).hung).toBe(true);
  for (const rest of ["root@host:~# ", "done\r\n", "[root@host ~]# ls\r\n", "\x1b[6n"]) {
    const console = watch(log + rest);
    expect([console.panic, console.hung]).toEqual([null, false]);
  }
  expect(watch(`${log}$ x\r\n${log}`).hung).toBe(true);
});

test("console watch: where the kernel stamps no lines, a panic counts whatever follows", () => {
  expect(watch("Kernel panic - not syncing: x\nCPU: 0\n# ").panic).toBe("Kernel panic - not syncing: x");
});

test("console watch: a prompt at the end of its line means that the guest is ready", () => {
  expect(watch("[    0.1] Linux version 6.12\r\nbusybox\r\n").prompted).toBe(false);
  expect(watch("text\r\n/ # ").prompted).toBe(true);
  expect(watch("user@host:~$ ").prompted).toBe(true);
  expect(watch("debian login: ").prompted).toBe(true);
  expect(watch("~ # \x1b[6n").prompted).toBe(true);
  expect(watch("[root@host ~]# ").prompted).toBe(true);
  expect(watch("=> ").prompted).toBe(true);
});

test("console watch: prompt characters within the kernel's lines are no prompt", () => {
  expect(watch("[    0.000000] 50% done, 0x1 -> 0x2, # of CPUs\r\nFreeing 5 # 6 of it\r\n").prompted).toBe(false);
});

test("console watch: an endless line costs no more than its first part", () => {
  const console = new ConsoleWatch();
  for (let index = 0; index < 1000; index++) console.write(bytes("x".repeat(10_000)));
  console.write(bytes("\nKernel panic - not syncing: still seen\n"));
  expect(console.panic).toBe("Kernel panic - not syncing: still seen");
});
