import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { lettersImage } from "./letters-image.js";
import { createHypervisor, outputOf, until } from "./test-hypervisor.js";

const PROGRAM = fileURLToPath(new URL("killed-program.ts", import.meta.url));

test("after kill -9 every machine is there: at its saved point, off, or running if it is to start by itself", async () => {
  const image = await lettersImage();
  const directory = await mkdtemp(join(tmpdir(), "vivarium-killed-"));
  try {
    const program = spawn(process.execPath, ["--import", "tsx", PROGRAM, directory, image.path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(program.stdout, "data");
    program.kill("SIGKILL");
    await once(program, "exit");

    const hypervisor = await createHypervisor({ directory });
    try {
      const found = hypervisor.machines.list().map((machine) => [machine.name, machine.view().status]);
      expect(found).toEqual([
        ["auto", "running"],
        ["saved", "hibernated"],
        ["plain", "off"],
      ]);
      expect(hypervisor.machines.get("plain").spec.description).toBe("never saved");
      expect(await hypervisor.machines.get("saved").snapshots.list()).toMatchObject([{ name: "point", present: true }]);
      const output = outputOf(hypervisor, "saved");
      await hypervisor.machines.get("saved").start();
      await until(() => output().length > 3, "letters from the saved point on");
    } finally {
      await hypervisor.close();
    }
  } finally {
    await Promise.all([image.remove(), rm(directory, { recursive: true, force: true })]);
  }
});
