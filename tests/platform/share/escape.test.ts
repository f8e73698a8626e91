/** A guest cannot leave the folder, whoever helps it. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  type HeldDirectory,
  holdByDescriptor,
  holdByWorkingDirectory,
} from "../../../host/platform/node/share/held-directory.js";
import { HostFolder } from "../../../host/platform/node/share/host-folder.js";
import { Session } from "../../../host/share/session.js";
import { P9Client, refused, str, T, u32, u64 } from "../../share/p9-client.js";

const SWAPPER = fileURLToPath(new URL("swapper.mjs", import.meta.url));
const RACE_MS = 1500;

let base: string;
let shared: string;
let outside: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "viv-escape-"));
  [shared, outside] = [join(base, "shared"), join(base, "outside")];
  for (const directory of [shared, outside, join(shared, "d")]) mkdirSync(directory);
  writeFileSync(join(outside, "secret"), "SECRET");
  writeFileSync(join(outside, "victim"), "alive", { mode: 0o600 });
  for (const file of ["d/secret", "f"]) writeFileSync(join(shared, file), "inside");
});
afterEach(() => rmSync(base, { recursive: true }));

async function clientOf(hold: (path: string) => HeldDirectory): Promise<P9Client> {
  const client = new P9Client(new Session(HostFolder.open(shared, false, hold)));
  await client.begin();
  return client;
}

/** The outside is what it was. */
function expectUntouched(): void {
  expect(readdirSync(outside).sort()).toEqual(["secret", "victim"]);
  expect(readFileSync(join(outside, "secret"), "latin1")).toBe("SECRET");
  expect(readFileSync(join(outside, "victim"), "latin1")).toBe("alive");
  expect(statSync(join(outside, "victim")).mode & 0o777).toBe(0o600);
}

async function whileSwapping(attack: (round: number) => Promise<void>): Promise<void> {
  const swapper: ChildProcess = spawn(process.execPath, [SWAPPER, shared, outside], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    await new Promise((resolve) => swapper.stdout!.once("data", resolve));
    const untilMs = Date.now() + RACE_MS;
    for (let round = 0; Date.now() < untilMs; round++) await attack(round);
  } finally {
    swapper.kill("SIGKILL");
    await new Promise((resolve) => swapper.once("close", resolve));
  }
}

const ways = [
  ["by descriptor", holdByDescriptor],
  ["by working directory", holdByWorkingDirectory],
] as const;

for (const [way, hold] of ways.filter(([, each]) => each === holdByWorkingDirectory || process.platform === "linux")) {
  test(`${way}: links of the guest's own lead nowhere`, async () => {
    const client = await clientOf(hold);
    for (const target of [outside, "../outside", "..", "/", "/proc/self/root", "/proc/self/cwd/../.."]) {
      const name = `link-${Buffer.from(target).toString("hex")}`;
      await client.call(T.symlink, [u32(0), str(name), str(target), u32(0)]);
      await client.walk(0, 1, name);
      expect(await refused(client.open(1)), target).toBe(40);
      expect(await refused(client.walk(1, 2, "secret")), target).not.toBeNull();
      expect(await refused(client.mkdir(1, "made")), target).not.toBeNull();
      expect(await refused(client.call(T.unlinkat, [u32(1), str("victim"), u32(0)])), target).not.toBeNull();
      expect(await refused(client.call(T.renameat, [u32(0), str("f"), u32(1), str("f")])), target).not.toBeNull();
      expect(await refused(client.call(T.link, [u32(1), u32(1), str("l")])), target).not.toBeNull();
      await client.clunk(1);
    }
    // Truncating and changing a link is not truncating and changing what it leads to.
    symlinkSync(join(outside, "victim"), join(shared, "to-victim"));
    await client.walk(0, 1, "to-victim");
    const setattr = (valid: number) =>
      client.call(T.setattr, [u32(1), u32(valid), u32(0o777), u32(0), u32(0), ...[0, 0, 0, 0, 0].map(u64)]);
    for (const valid of [1, 8, 0x30, 0x1b0]) await refused(setattr(valid));
    expect(statSync(join(outside, "victim")).mtimeMs).toBeGreaterThan(1e12);
    expectUntouched();
  });

  test(`${way}: while somebody swaps directories and files for links, nothing outside is read`, async () => {
    const client = await clientOf(hold);
    const seen = new Set<string>();
    let refusedCount = 0;
    await whileSwapping(async (round) => {
      const path = round % 2 === 0 ? ["d", "secret"] : ["f"];
      try {
        if ((await client.walk(0, 1, ...path)).length < path.length) throw Object.assign(new Error(), { errno: 2 });
        await client.open(1);
        seen.add(await client.read(1, 0, 100));
      } catch (error) {
        if ((error as { errno?: number }).errno === undefined) throw error;
        refusedCount++;
      }
      await refused(client.clunk(1));
    });
    expect([...seen]).toEqual(["inside"]);
    // Otherwise there was no race.
    expect(refusedCount).toBeGreaterThan(10);
    expectUntouched();
  });

  test(`${way}: while somebody swaps directories and files for links, nothing outside is changed`, async () => {
    const client = await clientOf(hold);
    let [done, failed] = [0, 0];
    const attempt = async (change: Promise<unknown>) => {
      if ((await refused(change)) === null) done++;
      else failed++;
    };
    const setattr = (valid: number) =>
      client.call(T.setattr, [u32(1), u32(valid), u32(0o777), u32(0), u32(0), ...[0, 0, 0, 0, 0].map(u64)]);
    await whileSwapping(async (round) => {
      if ((await refused(client.walk(0, 1, "d"))) !== null) {
        failed++;
        return;
      }
      await client.walk(0, 9);
      switch (round % 6) {
        case 0:
          await attempt(client.mkdir(1, `made${round}`));
          break;
        case 1:
          await attempt(client.call(T.unlinkat, [u32(1), str("victim"), u32(0)]));
          break;
        case 2:
          await client.walk(1, 2);
          await attempt(client.create(2, `created${round}`));
          await client.clunk(2);
          break;
        case 3:
          await attempt(client.call(T.symlink, [u32(1), str(`link${round}`), str("x"), u32(0)]));
          break;
        case 4:
          await attempt(client.call(T.renameat, [u32(1), str("victim"), u32(0), str("stolen")]));
          break;
        case 5:
          await refused(client.clunk(1));
          if ((await refused(client.walk(0, 1, "f"))) === null) {
            await attempt(setattr(1));
            await attempt(setattr(8));
          }
          break;
      }
      for (const fid of [1, 9]) await refused(client.clunk(fid));
    });
    expect(done).toBeGreaterThan(10);
    expect(failed).toBeGreaterThan(10);
    expectUntouched();
    expect(existsSync(join(shared, "stolen"))).toBe(false);
  });
}

test("pipes and devices of the host are seen and never opened", async () => {
  execFileSync("mkfifo", [join(shared, "pipe")]);
  for (const hold of [holdByDescriptor, holdByWorkingDirectory]) {
    const client = await clientOf(hold);
    await client.walk(0, 1, "pipe");
    expect((await client.getattr(1)).mode & 0o170000).toBe(0o010000);
    for (const flags of [0, 1, 2]) expect(await refused(client.open(1, flags))).toBe(6);
    expect(await refused(client.call(T.mknod, [u32(0), str("null"), u32(0o020666), u32(1), u32(3), u32(0)]))).toBe(1);
  }
});

test("programs that a guest makes run as nobody but who starts them", async () => {
  const client = await clientOf(holdByDescriptor);
  await client.walk(0, 1);
  await client.create(1, "program", 2, 0o6755);
  expect(statSync(join(shared, "program")).mode & 0o7777).toBe(0o755);
  await client.call(T.setattr, [u32(1), u32(1), u32(0o6711), u32(0), u32(0), ...[0, 0, 0, 0, 0].map(u64)]);
  expect(statSync(join(shared, "program")).mode & 0o7777).toBe(0o711);
});
