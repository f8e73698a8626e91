import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { MachineState } from "../../host/machine/machine.js";
import { createMachineFile, openMachineFile } from "../../host/platform/node/machine-file/open-machine-file.js";
import { openDatabase } from "../../host/platform/node/machine-file/sqlite.js";
import { VivariumError } from "../../host/util/errors.js";
import type { SavedState } from "../../host/util/schema.js";
import { CountingMachine } from "./counting-machine.js";

let directory: string;
let sound: string;
let state: MachineState;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "viv-hostile-"));
  sound = join(directory, "sound.viv");
  const machine = await CountingMachine.create();
  await machine.runUntil(3);
  const { file, close } = await createMachineFile(sound, "test");
  await file.save(await machine.machine.capture(), { name: "first" });
  await machine.runUntil(6);
  await file.save(await machine.machine.capture());
  await close();
  // One that needs no file.
  const other = await CountingMachine.create();
  await other.runUntil(3);
  state = await other.machine.capture();
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let copies = 0;
function copy(): string {
  const path = join(directory, `${copies++}.viv`);
  copyFileSync(sound, path);
  return path;
}

/** Opens a file and goes on with its machine for a while. @returns the error it ended with, or null */
async function use(path: string): Promise<VivariumError | null> {
  try {
    const { file, close } = await openMachineFile(path);
    try {
      const copied = await CountingMachine.resume(file.load(file.present!));
      await copied.runUntil(2);
      copied.machine.stateHash();
    } finally {
      await close();
    }
    return null;
  } catch (error) {
    if (error instanceof VivariumError) return error;
    throw error;
  }
}

/** The file after SQL of the attacker's. */
async function crafted(sql: string): Promise<string> {
  const path = copy();
  const database = await openDatabase(path, { readOnly: false });
  database.exec("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON");
  database.exec(sql);
  database.close();
  return path;
}

describe("a machine file that is not what it should be", () => {
  test("a sound one can be used", async () => {
    expect(await use(copy())).toBeNull();
  });

  test.each([0, 1, 99, 100, 4096, 32768, 50_000, 0.5, 0.9, 0.999])("cut off at %d: a typed error", async (length) => {
    const path = copy();
    truncateSync(path, length < 1 ? Math.floor(readFileSync(path).length * length) : length);
    expect((await use(path))?.code).toMatch(/^file\//);
  });

  test("bits flipped anywhere: a typed error, or a machine that goes on", { timeout: 60_000 }, async () => {
    const bytes = readFileSync(sound);
    const path = join(directory, "flipped.viv");
    const codes: Record<string, number> = {};
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(bytes.length * 8 - 1), { minLength: 1, maxLength: 8 }), async (bits) => {
        const flipped = Buffer.from(bytes);
        for (const bit of bits) flipped[bit >> 3]! ^= 1 << (bit & 7);
        writeFileSync(path, flipped);
        const code = (await use(path))?.code ?? "none";
        codes[code] = (codes[code] ?? 0) + 1;
        expect(code).toMatch(/^(none|bad-state|file\/.+|memory\/unavailable)$/);
      }),
      { numRuns: 50 },
    );
    expect(codes["file/damaged"]).toBeGreaterThan(0);
  });

  test.each([
    ["text", "Hello, this is not SQLite at all. ".repeat(10)],
    ["an empty file", ""],
    ["only SQLite's first words", "SQLite format 3\0"],
  ])("%s is told apart from a machine", async (_what, contents) => {
    const path = join(directory, "other.viv");
    writeFileSync(path, contents);
    expect((await use(path))?.code).toBe("file/not-a-machine");
  });

  test("another program's database is no machine", async () => {
    const path = join(directory, "other.db");
    const database = await openDatabase(path, { readOnly: false });
    database.exec("CREATE TABLE notes (text)");
    database.close();
    expect((await use(path))?.code).toBe("file/not-a-machine");
  });

  test("a file of a newer format says so", async () => {
    const error = await use(await crafted("PRAGMA user_version = 999"));
    expect(error?.code).toBe("file/too-new");
    expect(error?.message).toMatch(/format version 999, made by a newer viv/);
  });

  test.each([
    "CREATE TRIGGER evil AFTER UPDATE ON machine BEGIN DELETE FROM chunk; END",
    "CREATE VIEW evil AS SELECT 1",
    "ALTER TABLE chunk ADD COLUMN evil TEXT DEFAULT 'x'",
    "DROP TABLE part",
    "CREATE INDEX evil ON chunk (abs(byte_length))",
  ])("tables that are not a machine's are refused: %s", async (sql) => {
    expect((await use(await crafted(sql)))?.code).toBe("file/damaged");
  });

  test.each([
    ["no present", "UPDATE machine SET present = 12345", "file/damaged"],
    ["a missing chunk", "DELETE FROM chunk", "file/damaged"],
    ["swapped chunks", "UPDATE chunk SET packed = (SELECT packed FROM chunk ORDER BY id DESC LIMIT 1)", "file/damaged"],
    [
      "a chunk with another's hash",
      "UPDATE chunk SET hash = zeroblob(32) WHERE id = (SELECT max(id) FROM chunk)",
      "file/damaged",
    ],
    ["a list of chunks that is none", "UPDATE contents SET chunks = x'ffffffff'", "file/damaged"],
    ["RAM of an impossible length", "UPDATE contents SET byte_length = 9007199254740991", "file/damaged"],
    ["RAM of another length", "UPDATE contents SET byte_length = 32768", "file/damaged"],
    ["a part too many", "INSERT INTO part SELECT snapshot, 'extra', state FROM part WHERE name = 'core'", "bad-state"],
    ["a hart too few", "DELETE FROM part WHERE name = 'hart0'", "bad-state"],
    ["no processor", "DELETE FROM part WHERE name = 'core'", "bad-state"],
    ["a part that is no JSON", "UPDATE part SET state = '{' WHERE name = 'uart'", "bad-state"],
    [
      "a part nested too deeply",
      "UPDATE part SET state = replace(hex(zeroblob(100000)), '0', '[') WHERE name = 'uart'",
      "bad-state",
    ],
    [
      "a board of 0 harts",
      "UPDATE snapshot SET board = replace(board, '\"hartCount\":1', '\"hartCount\":0')",
      "bad-state",
    ],
    [
      "a board of 2 harts without the second",
      "UPDATE snapshot SET board = replace(board, '\"hartCount\":1', '\"hartCount\":2')",
      "bad-state",
    ],
    [
      "a board with more memory than there is",
      "UPDATE snapshot SET board = replace(board, '\"memoryByteLength\":16777216', '\"memoryByteLength\":4096')",
      "bad-state",
    ],
    ["a text instead of a number", "UPDATE snapshot SET instructions = 'many'", null],
  ])("%s: a typed error", async (_what, sql, code) => {
    expect((await use(await crafted(sql)))?.code ?? null).toBe(code);
  });

  test("a chunk that decompresses to a gigabyte costs no gigabyte", async () => {
    const bomb = deflateRawSync(Buffer.alloc(64 << 20)).toString("hex");
    const path = await crafted(`UPDATE chunk SET packed = x'${bomb}'; UPDATE contents SET chunks = x'${bomb}'`);
    const before = process.memoryUsage().rss;
    expect((await use(path))?.code).toBe("file/damaged");
    expect(process.memoryUsage().rss - before).toBeLessThan(60 << 20);
  });

  test("a hart or device in any state that can be written down runs, or is refused", { timeout: 60_000 }, async () => {
    const places = [...state.parts].flatMap(([part, { fields }]) => paths(fields).map((path) => ({ part, path })));
    const value = fc.oneof(
      fc.bigInt(0n, 2n ** 64n - 1n).map((number) => `0x${number.toString(16)}`),
      fc.integer({ min: 0, max: 255 }),
      fc.constantFrom(0, 1, -1, 2 ** 31, 2 ** 32 - 1, 2 ** 53, 1.5, "0x0", "0x1", "0x8000000080000000", true, null, ""),
    );
    const change = fc.record({ place: fc.constantFrom(...places), value });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        const parts = new Map([...state.parts].map(([name, part]) => [name, structuredClone(part)]));
        for (const { place, value: changed } of changes) assign(parts.get(place.part)!, place.path, changed);
        try {
          const machine = await CountingMachine.resume({ ...state, parts });
          setTimeout(() => machine.machine.stop(), 15);
          await machine.runUntil(1);
          machine.machine.stateHash();
        } catch (error) {
          if (!(error instanceof VivariumError)) throw error;
          expect(error.code).toBe("bad-state");
        }
      }),
      { numRuns: 150 },
    );
  });
});

type Path = readonly (string | number)[];

/** Where the values stand in saved fields. */
function paths(value: unknown, prefix: Path = []): Path[] {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return [prefix];
  return Object.entries(value).flatMap(([name, item]) => paths(item, [...prefix, name]));
}

function assign(part: SavedState, path: Path, value: unknown): void {
  let target = part.fields as Record<string | number, unknown>;
  for (const name of path.slice(0, -1)) target = target[name] as Record<string | number, unknown>;
  target[path.at(-1)!] = value;
}
