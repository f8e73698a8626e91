import { createHash } from "node:crypto";
import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConsoleWatch } from "../../host/control/console-watch.js";
import type { Image } from "../../host/images/image.js";
import { formatManifest } from "../../host/images/manifest.js";
import { Machine } from "../../host/index.js";
import { readCore } from "../../host/platform/node/core-module.js";
import { openMachineFile } from "../../host/platform/node/machine-file/open-machine-file.js";
import { packageVersion } from "../../host/platform/node/package-version.js";
import { VivariumError } from "../../host/util/errors.js";

/** As `host/platform/browser/booted-download.ts` asks for it. */
const BOOTED_FILE = "booted.json";
const FILES = /^booted-\w+\.viv$/;
/** What the page's terminal is. */
const TERMINAL_WORDS = "viv.term=xterm-256color";
const BOOT_MS_MAX = 300_000;

/**
 * Boots an image, and puts the machine at its prompt where a browser can fetch it: visitors need not wait for it to boot.
 * Does nothing when it is there.
 *
 * @param directory where the image is for browsers
 * @throws VivariumError `image/stuck` when there is no prompt
 */
export async function writeBootedMachine(image: Image, directory: string): Promise<void> {
  const kind = [packageVersion(), formatManifest(image.manifest), TERMINAL_WORDS];
  const hash = createHash("sha256")
    .update(await readCore())
    .update(JSON.stringify(kind))
    .digest("hex");
  const file = `booted-${hash.slice(0, 16)}.viv`;
  const description = async () => JSON.stringify({ file, byteLength: (await stat(join(directory, file))).size });
  const descriptionPath = join(directory, BOOTED_FILE);
  const present = await readFile(descriptionPath, "utf8").catch(() => null);
  if (present !== null && present === (await description().catch(() => null))) return;

  const temporary = `${directory}.booting`;
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { recursive: true });
  try {
    await bootInto(image, join(temporary, file));
    // Machine files are their owner's alone; this one is for everybody.
    await chmod(join(temporary, file), 0o644);
    const old = (await readdir(directory)).filter((name) => FILES.test(name));
    await rename(join(temporary, file), join(directory, file));
    await writeFile(descriptionPath, await description());
    for (const name of old) if (name !== file) await rm(join(directory, name), { force: true });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function bootInto(image: Image, path: string): Promise<void> {
  await saveBooted(image, path);
  const { file, close } = await openMachineFile(path);
  try {
    // A visitor's machine boots from the image, when it does.
    await file.delete(file.snapshots.filter(({ name }) => name !== null));
    await file.shrink();
    await file.renewIdentity();
  } finally {
    await close();
  }
}

async function saveBooted({ kernel, initrd, commandLine }: Image, path: string): Promise<void> {
  await using machine = await Machine.create({ kernel, initrd, commandLine: `${commandLine} ${TERMINAL_WORDS}` });
  await prompt(machine);
  await machine.pause();
  await machine.save(path);
}

async function prompt(machine: Machine): Promise<void> {
  const watch = new ConsoleWatch();
  const reader = machine.console.readable.getReader();
  const timer = setTimeout(() => void reader.cancel(), BOOT_MS_MAX);
  while (!watch.prompted) {
    const { done, value } = await reader.read();
    if (done) throw new VivariumError("image/stuck", "the image's guest does not come to its prompt");
    watch.write(value);
  }
  clearTimeout(timer);
}
