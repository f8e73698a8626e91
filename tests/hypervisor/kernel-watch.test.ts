import { expect, test } from "vitest";
import { KernelWatch } from "../../host/hypervisor/kernel-watch.js";
import type { LaneReading } from "../../host/hypervisor/messages.js";

const reading = (instructions: number, waits: number) => ({ instructions, waits }) as LaneReading;

/** What Linux prints: kernel/panic.c. */
const PANIC = "[    1.0] Kernel panic - not syncing: x\r\n";
const END = "[    1.1] ---[ end Kernel panic - not syncing: x ]---\r\n";

function watching(text: string): KernelWatch {
  const watch = new KernelWatch();
  watch.write(Uint8Array.from(text, (character) => character.charCodeAt(0)));
  return watch;
}

test("kernel watch: a kernel that says it stays where it is, and never waits again, does nothing more", () => {
  const watch = watching(PANIC + END);
  expect(watch.look(reading(100, 7))).toBeNull();
  expect(watch.look(reading(200, 7))).toBe("the guest panicked: Kernel panic - not syncing: x");
});

test("kernel watch: who waits or stands still is not at its end, whatever the console says", () => {
  const watch = watching(PANIC + END);
  for (let waits = 0; waits < 5; waits++) expect(watch.look(reading(100 * waits, waits))).toBeNull();
  expect(watch.look(reading(400, 4))).toBeNull();
});

test("kernel watch: neither is a kernel that may still restart, nor one that has", () => {
  const watch = watching(PANIC);
  expect(watch.panic).toBe("the guest panicked: Kernel panic - not syncing: x");
  for (const instructions of [100, 200, 300]) expect(watch.look(reading(instructions, 7))).toBeNull();
  watch.reset();
  expect(watch.panic).toBeNull();
});
