/** A machine is the same machine in Node, in Chromium and in Firefox. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, type TestContext, test } from "vitest";
import { commandLineFor } from "../../host/images/command-line.js";
import { Machine } from "../../host/machine/machine.js";
import { loadCoreModule } from "../../host/platform/node/core-module.js";
import { NodeHostServices } from "../../host/platform/node/host-services.js";
import { createMachineFile, openMachineFile } from "../../host/platform/node/machine-file/open-machine-file.js";
import { buildPage } from "../../web/site/build-page.js";
import { type Site, serveSite } from "../../web/site/serve-site.js";
import { defaultImage } from "../e2e/default-image.js";
import { needs } from "../e2e/requirements.js";
import { recordRun } from "../snapshot/recorded-machine.js";
import { startChromium, visit } from "./chromium.js";
import { type Continuation, continueInFile } from "./engine/continuation.js";
import type { Replayed } from "./engine/replaying.js";
import { Firefox } from "./firefox.js";
import { CHROMIUM, FIREFOX } from "./requirements.js";

type Reached = Omit<Continuation, "file">;

/** For machines that do much else. */
const TEST_MS = 240_000;
const INSTRUCTIONS = 100_000_000;
const MEMORY_BYTE_LENGTH = 256 << 20;
/** Something to do at every moment, with memory, floats, system calls and processes. */
const WORK =
  "while :; do sha256sum /usr/bin/busybox; awk 'BEGIN { print sqrt(2) * 10 }'; ls -l /usr/bin | wc -l; done\n";

const directory = mkdtempSync(join(tmpdir(), "viv-engines-"));
let site: Site;
let browser: Browser | undefined;

beforeAll(async () => {
  await buildPage(fileURLToPath(new URL("engine", import.meta.url)), directory);
  site = await serveSite(directory, { port: 0, host: "localhost" });
});
afterAll(async () => {
  await browser?.close();
  await site?.close();
  rmSync(directory, { recursive: true });
}, TEST_MS);

test(
  "chromium: 100 million instructions after Node saved a machine, it is where Node comes to, and Node goes on from there",
  async (context) => {
    needs(context, CHROMIUM);
    const inNode = await continuedInNode(context);

    browser = await startChromium();
    const { page, complaints } = await visit(browser, site.url);
    const here = await page.evaluateHandle<Continuation>(`continueMachine("saved.viv", ${INSTRUCTIONS})`);
    const stateHash = await here.evaluate((continuation) => continuation.stateHash);
    const instructions = await here.evaluate((continuation) => continuation.instructions);
    expect({ stateHash, instructions, complaints }).toEqual({ ...inNode, complaints: [] });

    // The other way round: the file that Chromium saved, in Node.
    const file = await here.evaluate((continuation) => continuedFile(continuation));
    writeFileSync(join(directory, "chromium.viv"), Buffer.from(file, "base64"));
    const further = await continueWithNode(join(directory, "chromium.viv"), "further.viv");
    expect(further).toEqual(await continueWithNode(join(directory, "node.viv"), "twice.viv"));
  },
  TEST_MS,
);

test(
  "chromium: what was recorded in Node under the host's clock is run again to the same output and state hash",
  async (context) => {
    needs(context, CHROMIUM);
    const inNode = await recordedInNode();
    browser ??= await startChromium();
    const { page } = await visit(browser, site.url);
    expect(await page.evaluate('replayHistory("recorded.viv")')).toEqual(inNode);
  },
  TEST_MS,
);

test(
  "firefox: 100 million instructions after Node saved a machine, and after a replay, it is where Node comes to",
  async (context) => {
    needs(context, FIREFOX);
    const inNode = await continuedInNode(context);
    const firefox = await Firefox.start(FIREFOX.path);
    try {
      await firefox.open(site.url);
      const continued = `continueMachine("saved.viv", ${INSTRUCTIONS})`;
      expect(await firefox.evaluate(`${continued}.then(({ file, ...reached }) => reached)`)).toEqual(inNode);
      expect(await firefox.evaluate('replayHistory("recorded.viv")')).toEqual(await recordedInNode());
    } finally {
      await firefox.close();
    }
  },
  TEST_MS,
);

let recording: Promise<Replayed> | undefined;

/** What a machine in Node did, whose history is served as `recorded.viv`. */
function recordedInNode(): Promise<Replayed> {
  recording ??= (async () => {
    const { file, close } = await createMachineFile(join(directory, "recorded.viv"), "test");
    try {
      const recorded = await recordRun(file, {
        async meanwhile(machine) {
          for (const text of ["typed ", "in Node, ", "then q"]) {
            await new Promise((resolve) => setTimeout(resolve, Math.random() * 50));
            machine.serialInput.write(Buffer.from(text));
          }
        },
      });
      const { stateHash, retired } = recorded.end!;
      return { stateHash, instructions: String(retired), output: recorded.output };
    } finally {
      await close();
    }
  })();
  return recording;
}

declare function continuedFile(continuation: Continuation): Promise<string>;

let inNode: Promise<Reached> | undefined;

/** Where Node comes to from `saved.viv`, which is then served. */
function continuedInNode(context: TestContext): Promise<Reached> {
  inNode ??= bootAndSave(context).then((path) => continueWithNode(path, "node.viv"));
  return inNode;
}

/** A machine that has booted and been given work, in a file. */
async function bootAndSave(context: TestContext): Promise<string> {
  const { kernel, initrd, commandLine } = await defaultImage(context);
  let output = "";
  let isAtWork = false;
  const host = new NodeHostServices(async () => {
    if (isAtWork || !output.includes("root@")) return;
    isAtWork = true;
    machine.serialInput.write(Buffer.from(WORK));
    machine.stop();
  });
  const machine = await Machine.create({
    core: await loadCoreModule(),
    hartCount: 2,
    memoryByteLength: MEMORY_BYTE_LENGTH,
    clock: "virtual",
    boot: { kind: "linux", kernel, initrd, commandLine: commandLineFor(commandLine, { kind: "interactive" }) },
    drives: [],
    serial: { write: (bytes) => (output += Buffer.from(bytes).toString("latin1")) },
    host,
  });
  await machine.run();
  const path = join(directory, "saved.viv");
  const { file, close } = await createMachineFile(path, "test");
  await file.save(await machine.capture());
  await close();
  return path;
}

async function continueWithNode(from: string, copy: string): Promise<Reached> {
  const path = join(directory, copy);
  copyFileSync(from, path);
  const { file, close } = await openMachineFile(path);
  try {
    return await continueInFile(file, await loadCoreModule(), new NodeHostServices(), INSTRUCTIONS);
  } finally {
    await close();
  }
}
