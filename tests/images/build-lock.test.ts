import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { withBuildLock } from "../../host/platform/node/images/build-lock.js";

const QUICK = { heartbeatMs: 20, staleMs: 2000, pollMs: 5 };
let directory: string;
let lock: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "vivarium-lock-"));
  lock = join(directory, "lock");
});
afterEach(() => rm(directory, { recursive: true, force: true }));

test("build lock: actions run one after the other, and the lock is gone afterwards", async () => {
  let running = 0;
  let waited = 0;
  const action = async (): Promise<void> => {
    expect(++running).toBe(1);
    await sleep(20);
    running--;
  };
  await Promise.all([1, 2, 3].map(() => withBuildLock(lock, action, () => waited++, QUICK)));
  expect(waited).toBeGreaterThan(0);
  expect(await readdir(directory)).toEqual([]);
});

test("build lock: an action that fails gives the lock back", async () => {
  await expect(withBuildLock(lock, () => Promise.reject(new Error("no")), undefined, QUICK)).rejects.toThrow("no");
  expect(await withBuildLock(lock, async () => 1, undefined, QUICK)).toBe(1);
});

test("build lock: one whose holder has died is taken over", async () => {
  await writeFile(lock, "");
  const longAgo = new Date(Date.now() - 60_000);
  await utimes(lock, longAgo, longAgo);
  expect(await withBuildLock(lock, async () => "taken", undefined, QUICK)).toBe("taken");
});

test("build lock: a holder that works for longer than a dead one is waited for shows that it lives", async () => {
  const options = { heartbeatMs: 20, staleMs: 300, pollMs: 5 };
  const order: string[] = [];
  const first = withBuildLock(
    lock,
    async () => {
      await sleep(900);
      order.push("first");
    },
    undefined,
    options,
  );
  await sleep(20);
  const second = withBuildLock(lock, async () => void order.push("second"), undefined, options);
  await Promise.all([first, second]);
  expect(order).toEqual(["first", "second"]);
});
