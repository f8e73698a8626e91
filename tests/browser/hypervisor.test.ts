/** Many machines in a page, in Debian's Chromium: the public API as a program there uses it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser } from "playwright-core";
import { afterAll, expect, test } from "vitest";
import type { Hypervisor as HypervisorClass } from "../../host/index.js";
import { buildPage } from "../../web/site/build-page.js";
import { writeImageFiles } from "../../web/site/image-files.js";
import { type Site, serveSite } from "../../web/site/serve-site.js";
import { defaultImage } from "../e2e/default-image.js";
import { needs } from "../e2e/requirements.js";
import { startChromium, visit } from "./chromium.js";
import { CHROMIUM } from "./requirements.js";

/** For machines that do much else. */
const TEST_MS = 240_000;

const directory = mkdtempSync(join(tmpdir(), "viv-page-hypervisor-"));
let site: Site | undefined;
let browser: Browser | undefined;

afterAll(async () => {
  await browser?.close();
  await site?.close();
  rmSync(directory, { recursive: true });
});

// What the page has: see hypervisor/page.ts.
declare const Hypervisor: typeof HypervisorClass;
declare function watch(machine: ReturnType<HypervisorClass["machines"]["get"]>): { readonly text: string };
/** What stays from one step to the next. */
declare const lab: { hypervisor: HypervisorClass; screen: { readonly text: string } };

test(
  "chromium: two machines in one worker have their shares, console, commands and snapshots, and are there again later",
  async (context) => {
    needs(context, CHROMIUM);
    const image = await defaultImage(context);
    await buildPage(fileURLToPath(new URL("hypervisor", import.meta.url)), directory);
    await writeImageFiles(image, join(directory, "images", image.manifest.name));
    site = await serveSite(directory, { port: 0, host: "localhost" });
    browser = await startChromium();
    const { page, complaints } = await visit(browser, site.url);

    const named = await page.evaluate(async () => {
      const hypervisor = await Hypervisor.create({ workers: 1, memoryMiB: 1024, directory: "lab" });
      const one = await hypervisor.machines.create({ name: "one", memoryMiB: 128, cpu: { shares: 100 } });
      await one.exec("true");
      // The second goes on from the first: a boot is most of what this test would take.
      const [three] = await one.fork({ names: ["three"] });
      await three!.set({ cpu: { shares: 300 } });
      const machines = [one, three!];
      Object.assign(globalThis, { lab: { hypervisor, screen: watch(one) } });
      return Promise.all(machines.map(async (machine) => (await machine.exec("uname -sm; cat /proc/uptime")).stdout));
    });
    for (const text of named) expect(text).toMatch(/^Linux riscv64\n\d/);

    // Three to one, while both want all there is.
    const parts = await page.evaluate(async () => {
      const machines = ["one", "three"].map((name) => lab.hypervisor.machines.get(name));
      const work = await Promise.all(machines.map((machine) => machine.spawn("while :; do :; done")));
      const later = (delayMs: number) => new Promise((resolve) => setTimeout(resolve, delayMs));
      await later(2000);
      const before = machines.map(({ usage }) => usage.processorSeconds);
      await later(3000);
      const used = machines.map(({ usage }, index) => usage.processorSeconds - before[index]!);
      for (const process of work) process.kill("SIGKILL");
      return used[1]! / (used[0]! + used[1]!);
    });
    expect(parts).toBeGreaterThan(0.7);
    expect(parts).toBeLessThan(0.8);

    const output = await page.evaluate(async () => {
      const one = lab.hypervisor.machines.get("one");
      const writer = one.console.writable.getWriter();
      await writer.write("echo typed-$((6*7))\r");
      while (!lab.screen.text.includes("typed-42")) await new Promise((resolve) => setTimeout(resolve, 50));
      writer.releaseLock();
      await one.exec("echo kept > /tmp/note");
      await one.snapshots.create("noted");
      await one.exec("rm /tmp/note");
      await one.snapshots.restore("noted");
      const terminal = await one.spawn("stty size; cat /tmp/note", { terminal: { columns: 90, rows: 30 } });
      const [text] = await Promise.all([new Response(terminal.stdout).text(), terminal.exited]);
      const [fork] = await one.fork({ count: 1 });
      const inFork = (await fork!.exec("cat /tmp/note")).stdout;
      // Who is not there need not be saved.
      await Promise.all([fork!.name, "three"].map((name) => lab.hypervisor.machines.destroy(name)));
      return [text, inFork, fork!.name];
    });
    expect(output).toEqual(["30 90\r\nkept\r\n", "kept\n", "one-1"]);

    // The page is left and comes back: what ran goes on.
    await page.evaluate(() => lab.hypervisor.close());
    await page.reload();
    const again = await page.evaluate(async () => {
      const hypervisor = await Hypervisor.create({ workers: 1, memoryMiB: 1024, directory: "lab" });
      const names = hypervisor.machines.list().map(({ name }) => name);
      const { stdout } = await hypervisor.machines.get("one").exec("cat /tmp/note");
      const points = await hypervisor.machines.get("one").snapshots.list();
      await hypervisor.close();
      return { names, stdout, points: points.flatMap(({ name }) => name || []) };
    });
    expect(again).toEqual({ names: ["one"], stdout: "kept\n", points: ["noted"] });
    expect(complaints).toEqual([]);
  },
  TEST_MS,
);
