import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import type { Limits } from "../../host/control/limits-file.js";
import { plainFrame } from "../../host/network/link.js";
import { LimitsFile } from "../../host/platform/node/limits-file.js";
import { MachineFiles } from "../../host/platform/node/machine-files.js";
import type { BlockBackend } from "../../host/storage/block-backend.js";
import { CapturedDisk } from "../../host/storage/captured-disk.js";

const directory = mkdtempSync(join(tmpdir(), "viv-limits-"));
afterAll(() => rmSync(directory, { recursive: true }));
const file = join(directory, "limits");

test("limits are obeyed from the start and as they change; what cannot be read is told, and changes nothing", async () => {
  writeFileSync(file, "net0: rate=8mbit\n");
  const warnings: string[] = [];
  const limits = await LimitsFile.open(file, (message) => warnings.push(message));
  const seen: Limits[] = [];
  limits.follow((each) => seen.push(each));
  expect(seen.at(-1)!.links.get(0)!.ceiling.bytesPerSecond).toBe(1_000_000);
  writeFileSync(file, "net0: rate=16mbit  # more\n");
  await vi.waitFor(() => expect(seen.at(-1)!.links.get(0)!.ceiling.bytesPerSecond).toBe(2_000_000), { timeout: 5000 });
  writeFileSync(file, "net0: rate=lots of it\n");
  await vi.waitFor(() => expect(warnings.length).toBe(1), { timeout: 5000 });
  expect(warnings[0]).toMatch(/^--limits: .*limits, line 1: .*; the limits stay as they are$/);
  expect(seen.length).toBe(2);
  limits.close();
  await expect(LimitsFile.open(join(directory, "absent"), () => {})).rejects.toThrow("cannot be read (ENOENT)");
});

test("a machine's disk and network go as the file says, now and later", { timeout: 20_000 }, async () => {
  const disk = join(directory, "disk.img");
  writeFileSync(disk, new Uint8Array(1 << 20));
  writeFileSync(file, "disk0: iops=10 iops-burst=1\nnet0: rate=8kbit burst=1KiB\n");
  const drive = { file: disk, format: "raw", readOnly: false, snapshot: false, backing: "any", limits: null } as const;
  const network = { link: { kind: "unplugged" }, mac: null, mtu: 1500, rate: null } as const;
  const files = await MachineFiles.open(
    { drives: [drive], shares: [], networks: [network], limits: file },
    { isKept: false, warn: () => {} },
  );
  const { link } = files.networks!.devices[0]!;
  link.connect({ receive: () => true, resume: () => {}, setLinkUp: () => {} });
  const frame = plainFrame(new Uint8Array(1514));
  expect([link.send(frame), link.send(frame)]).toEqual([true, false]);
  const { backend } = files.drives[0]!;
  // One at once, one that overdraws, and one more every 100 ms.
  expect(await msOfSixReads(backend)).toBeGreaterThan(350);
  writeFileSync(file, "disk0:\nnet0:\n# all is free\n");
  await vi.waitFor(() => expect([link.send(frame), link.send(frame)]).toEqual([true, true]), { timeout: 5000 });
  expect(await msOfSixReads(backend)).toBeLessThan(200);
  await files.close();
});

test("a kept machine's own disk goes as its drive and the file say, until it is left", {
  timeout: 20_000,
}, async () => {
  const image = join(directory, "own.img");
  writeFileSync(image, new Uint8Array(1 << 20).fill(7));
  writeFileSync(file, "# the drive's own limits\n");
  const limits = { operationsPerSecond: 10, burstOperations: 1 };
  const drive = { file: image, format: "raw", readOnly: false, snapshot: false, backing: "any", limits } as const;
  const files = await MachineFiles.open(
    { drives: [drive], shares: [], networks: [], limits: file },
    { isKept: true, warn: () => {} },
  );
  const own = files.drives[0]!.backend as CapturedDisk;
  const disk = files.limitDisk(0, CapturedDisk.of(own.capture(), false));
  expect(disk.capture().chunks[0]!.read()[0]).toBe(7);
  expect(await msOfSixReads(disk)).toBeGreaterThan(350);
  writeFileSync(file, "disk0:\n");
  await vi.waitFor(async () => expect(await msOfSixReads(disk)).toBeLessThan(100), { timeout: 5000 });
  writeFileSync(file, "disk0: iops=20 iops-burst=1\n");
  await vi.waitFor(async () => expect(await msOfSixReads(disk)).toBeGreaterThan(175), { timeout: 5000 });
  const waiting = msOfSixReads(disk);
  files.liftLimits();
  expect(await waiting).toBeLessThan(1000);
  await files.close();
});

async function msOfSixReads(disk: BlockBackend): Promise<number> {
  const startMs = performance.now();
  for (let n = 0; n < 6; n++) await disk.read(0, new Uint8Array(512));
  return performance.now() - startMs;
}
