import { expect, test } from "vitest";
import { ConsoleHub } from "../../host/hypervisor/console-hub.js";

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));
const KEPT = 128 * 1024;

test("whoever comes later is shown what was written last, then what is written", async () => {
  const hub = new ConsoleHub();
  hub.write(bytes("before "));
  let seen = "";
  const stop = hub.watch((piece) => {
    seen += Buffer.from(piece).toString();
  });
  hub.write(bytes("after"));
  await new Promise((resolve) => setImmediate(resolve));
  expect(seen).toBe("before after");
  stop();
  hub.write(bytes(" and later"));
  await new Promise((resolve) => setImmediate(resolve));
  expect(seen).toBe("before after");
});

test("what is kept is bounded, and so is what waits for one who does not take it", async () => {
  const hub = new ConsoleHub();
  let received = 0;
  let take = (): void => {};
  hub.watch((piece) => {
    received += piece.length;
    return new Promise<void>((resolve) => {
      take = resolve;
    });
  });
  for (let count = 0; count < 1000; count++) hub.write(new Uint8Array(8192));
  expect(hub.tail.length).toBeLessThanOrEqual(KEPT + 8192);
  for (let rounds = 0; rounds < 1000; rounds++) {
    take();
    await Promise.resolve();
  }
  expect(received).toBeLessThanOrEqual(2 * KEPT + 2 * 8192);
});

test("the last lines", () => {
  const hub = new ConsoleHub();
  hub.write(bytes("one\ntwo\nthree\n"));
  expect(Buffer.from(hub.lastLines(2)).toString()).toBe("two\nthree\n");
  expect(Buffer.from(hub.lastLines(9)).toString()).toBe("one\ntwo\nthree\n");
});

test("one who throws is not given anything any more, and nobody else notices", async () => {
  const hub = new ConsoleHub();
  let calls = 0;
  let seen = "";
  hub.watch(() => {
    calls++;
    throw new Error("gone");
  });
  hub.watch((piece) => {
    seen += Buffer.from(piece).toString();
  });
  hub.write(bytes("a"));
  await new Promise((resolve) => setImmediate(resolve));
  hub.write(bytes("b"));
  await new Promise((resolve) => setImmediate(resolve));
  expect([calls, seen]).toEqual([1, "ab"]);
});
