import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nodeFileServices } from "../../host/platform/node/machine-file/file-services.js";
import {
  createMachineFile,
  importMachineFile,
  openMachineFile,
} from "../../host/platform/node/machine-file/open-machine-file.js";
import { reportFile } from "../../host/snapshot/file-report.js";
import { readStream, writeStream } from "../../host/snapshot/stream-format.js";
import { VivariumError } from "../../host/util/errors.js";
import { numberedState, numberOf } from "./numbered-state.js";

let directory: string;
let plain: Buffer;
let encrypted: Buffer;
let hashes: readonly string[];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "viv-stream-"));
  const { file, close } = await createMachineFile(join(directory, "original.viv"), "test");
  await file.save(numberedState(1), { name: "one", console: Buffer.from("hello") });
  await file.save(numberedState(2));
  hashes = reportFile(file).snapshots.map(({ hash }) => hash);
  plain = await collect(writeStream(file.records(), nodeFileServices, null));
  encrypted = await collect(writeStream(file.records(), nodeFileServices, "pass phrase"));
  await close();
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return Buffer.concat(parts);
}

async function* cut(bytes: Buffer, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

let count = 0;
async function take(bytes: Buffer, passphrase: string | null, pieceLength = 65_536) {
  const records = readStream(cut(bytes, pieceLength), nodeFileServices, passphrase);
  const path = join(directory, `copy-${count++}.viv`);
  await (await importMachineFile(path, records, { writtenBy: "test", identity: "renewed" })).close();
  return openMachineFile(path);
}

describe("a machine as a stream", () => {
  test.each([
    ["plain", () => plain, null],
    ["encrypted", () => encrypted, "pass phrase"],
  ])("%s, it arrives whole, in pieces of any length", async (_kind, bytes, passphrase) => {
    for (const pieceLength of [bytes().length, 4097]) {
      const { file, close } = await take(bytes(), passphrase, pieceLength);
      expect(reportFile(file).snapshots.map(({ hash }) => hash)).toEqual(hashes);
      expect(numberOf(file.load(file.find("one")))).toBe(1);
      expect(numberOf(file.load(file.present!))).toBe(2);
      expect(Buffer.from(file.consoleOf(file.find("one"))).toString()).toBe("hello");
      expect(file.identity).toBe("renewed");
      await close();
    }
  });

  test("encrypted, it shows nothing of what is in it", () => {
    expect(plain.includes("memoryByteLength")).toBe(true);
    expect(encrypted.includes("memoryByteLength")).toBe(false);
  });

  test.each([
    ["no passphrase", null, "it is encrypted: a passphrase is needed"],
    ["a wrong passphrase", "pass phrasf", "the passphrase is not the one it was encrypted with, or it is damaged"],
  ])("%s is told", async (_what, passphrase, message) => {
    await expect(take(encrypted, passphrase)).rejects.toMatchObject({ code: "stream/passphrase", message });
  });

  test("a passphrase for a plain stream is told", async () => {
    await expect(take(plain, "x")).rejects.toMatchObject({ code: "stream/passphrase" });
  });

  test("bytes changed, missing or added anywhere are told, and leave no file", { timeout: 30_000 }, async () => {
    const damage = fc.record({ at: fc.nat(plain.length - 1), kind: fc.constantFrom("change", "cut", "add") });
    await fc.assert(
      fc.asyncProperty(damage, async ({ at, kind }) => {
        const changed = Buffer.from(plain);
        changed[at]! ^= 0x10;
        const added = Buffer.concat([plain, Buffer.from([1])]);
        const bytes = kind === "change" ? changed : kind === "cut" ? plain.subarray(0, at) : added;
        const error = await take(bytes, null).catch((problem: unknown) => problem);
        expect(error).toBeInstanceOf(VivariumError);
        expect((error as VivariumError).code).toMatch(/^stream\//);
      }),
      { numRuns: 25 },
    );
  });

  test("an encrypted stream that is cut between segments or has them swapped is told", async () => {
    const header = 8 + 1 + 16 + 4;
    const first = header + 5 + encrypted.readUInt32LE(header + 1);
    const second = first + 5 + encrypted.readUInt32LE(first + 1);
    const swapped = Buffer.concat([
      encrypted.subarray(0, header),
      encrypted.subarray(first, second),
      encrypted.subarray(header, first),
      encrypted.subarray(second),
    ]);
    await expect(take(encrypted.subarray(0, first), "pass phrase")).rejects.toMatchObject({ code: "stream/damaged" });
    await expect(take(swapped, "pass phrase")).rejects.toMatchObject({ code: "stream/passphrase" });
  });

  test("what is no stream is told", async () => {
    await expect(take(Buffer.from("SQLite format 3"), null)).rejects.toMatchObject({ code: "stream/not-a-machine" });
    await expect(take(Buffer.alloc(0), null)).rejects.toMatchObject({ code: "stream/not-a-machine" });
  });
});
