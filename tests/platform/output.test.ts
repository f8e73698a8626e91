import { PassThrough, Writable } from "node:stream";
import type { WriteStream } from "node:tty";
import { expect, test } from "vitest";
import { Output } from "../../host/platform/node/output.js";

/** A stream whose reader takes nothing until told. */
function slowStream() {
  const written: Buffer[] = [];
  let take: (() => void) | null = null;
  const stream = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      written.push(chunk);
      take = callback;
    },
  });
  return { written, stream: stream as unknown as WriteStream, take: () => take?.() };
}

test("output: what is written keeps its bytes although the writer's memory changes", () => {
  const stream = new PassThrough();
  const output = new Output(stream as unknown as WriteStream);
  const memory = Uint8Array.of(1, 2, 3);
  output.write(memory);
  memory.fill(9);
  expect([...stream.read()]).toEqual([1, 2, 3]);
});

test("output: is congested while much waits for the reader, and drained when the reader has taken it", async () => {
  const { stream, take } = slowStream();
  const output = new Output(stream);
  output.write(new Uint8Array(100_000));
  expect(output.congested).toBe(false);
  output.write(new Uint8Array(400_000));
  expect(output.congested).toBe(true);
  const drained = output.drained();
  take();
  take();
  await drained;
  expect(output.congested).toBe(false);
});

test("output: release lets go of whoever waits for the reader, now and later", async () => {
  const { stream } = slowStream();
  const output = new Output(stream);
  output.write(new Uint8Array(500_000));
  const drained = output.drained();
  output.release();
  await drained;
  expect(output.congested).toBe(false);
  await output.drained();
});

test("output: flushed resolves when everything has been taken", async () => {
  const { stream, take, written } = slowStream();
  const output = new Output(stream);
  output.write(Uint8Array.of(1));
  output.write(Uint8Array.of(2));
  let flushed = false;
  const done = output.flushed().then(() => {
    flushed = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(flushed).toBe(false);
  for (let turn = 0; turn < 3; turn++) {
    take();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await done;
  expect(Buffer.concat(written)).toEqual(Buffer.of(1, 2));
});

test("output: a reader that is gone is noticed once, and frees whoever waits", async () => {
  const { stream } = slowStream();
  const output = new Output(stream);
  let losses = 0;
  output.onLost(() => void losses++);
  output.write(new Uint8Array(500_000));
  const drained = output.drained();
  const flushed = output.flushed();
  stream.destroy(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
  await drained;
  await flushed;
  output.write(Uint8Array.of(1));
  expect(losses).toBe(1);
  expect(output.lost).toBe(true);
  output.check();
});

test("output: another reason why it is lost is the operator's to mend", async () => {
  const { stream } = slowStream();
  const output = new Output(stream);
  stream.destroy(Object.assign(new Error("no space left on device"), { code: "ENOSPC" }));
  await new Promise((resolve) => setImmediate(resolve));
  expect(() => output.check()).toThrow("standard output cannot be written (ENOSPC)");
});

test("output: what is abandoned is not waited for", async () => {
  const { stream } = slowStream();
  const output = new Output(stream);
  output.write(new Uint8Array(500_000));
  output.abandon();
  await output.flushed();
});
