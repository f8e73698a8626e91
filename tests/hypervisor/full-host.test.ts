/** A hypervisor on a file system of the host's that is full: nothing ends for it, and what has to wait is made up for. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type LettersImage, lettersImage } from "./letters-image.js";
import { createHypervisor, letters, outputOf, type, until } from "./test-hypervisor.js";

const MIB = 2 ** 20;
let image: LettersImage;
const directory = mkdtempSync(join(tmpdir(), "viv-full-"));
const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", directory]).status === 0;

beforeAll(async () => {
  image = await lettersImage();
});
afterAll(async () => {
  if (mounted) execFileSync("umount", [directory]);
  rmSync(directory, { recursive: true });
  await image.remove();
});

/** Takes all room that there is, to the last byte, until `truncateSync`. */
function fill(file: string): void {
  for (const length of [MIB, 4096, 1]) {
    for (;;) {
      try {
        writeFileSync(file, new Uint8Array(length), { flag: "a" });
      } catch {
        break;
      }
    }
  }
}

test.skipIf(!mounted)(
  "a full disk of the host: machines run on, one line says so, and all is saved when there is room (needs root, to mount)",
  async () => {
    const hypervisor = await createHypervisor({ directory });
    try {
      const told: string[] = [];
      hypervisor.onEvent(({ kind, message }) => void (kind === "host" && told.push(message)));
      const machine = await hypervisor.machines.create(letters(image.path, "a"));
      const output = outputOf(hypervisor, "a");
      await machine.snapshots.create("before");
      const filler = join(directory, "filler");
      fill(filler);
      expect(statfsSync(directory).bavail).toBe(0);

      type(machine, "m");
      await until(() => output().includes("M"), "24 MiB that are not in the file");
      await expect(machine.snapshots.create("after")).rejects.toMatchObject({ code: "file/full" });
      await expect(machine.hibernate()).rejects.toMatchObject({ code: "file/full" });
      expect(machine.view().status).toBe("running");
      // More than there is room for in pages that the database has already.
      const described = "d".repeat(100_000);
      await machine.set({ description: described });
      const length = output().length;
      await until(() => output().length > length + 3, "letters");
      expect((await machine.snapshots.list()).map(({ name }) => name)).toEqual(["before"]);
      expect(told).toEqual([
        "what happens is not kept for now: hypervisor.db: there is no room left where the file is",
      ]);

      truncateSync(filler);
      await machine.snapshots.create("after");
      await until(() => told.length === 2, "the note that it is kept again");
      expect(told[1]).toBe("what happens is kept again, all of before included");
      await hypervisor.close();

      const next = await createHypervisor({ directory });
      try {
        const again = next.machines.get("a");
        expect(again.spec.description).toBe(described);
        expect(again.view().status).toBe("running");
        expect((await again.snapshots.list()).map(({ name }) => name)).toEqual(["before", "after"]);
      } finally {
        await next.close();
      }
    } finally {
      await hypervisor.close();
    }
  },
);
