/** The package as somebody gets it: packed, put into a project of theirs, and the examples are what they write. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildPage } from "../../web/site/build-page.js";
import { serveSite } from "../../web/site/serve-site.js";
import { startChromium, visit } from "../browser/chromium.js";
import { CHROMIUM } from "../browser/requirements.js";
import { needs } from "../e2e/requirements.js";
import { hasApt } from "../images/requirements.js";
import { TEST_CACHE, testImage } from "../images/test-image.js";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const { dependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  readonly dependencies: Readonly<Record<string, string>>;
};
const JUMP_TO_ITSELF = 0x6f;
const EXAMPLES = ["commands", "processes", "snapshots"];

describe("the package", () => {
  let project: string;

  beforeAll(async () => {
    project = await mkdtemp(join(tmpdir(), "vivarium-consumer-"));
    await run("npm", ["pack", "--silent", "--pack-destination", project], { cwd: ROOT });
    const [tarball] = (await readdir(project)).filter((name) => name.endsWith(".tgz"));
    const modules = join(project, "node_modules");
    await mkdir(join(modules, "vivarium"), { recursive: true });
    await run("tar", ["xzf", tarball!, "-C", join(modules, "vivarium"), "--strip-components=1"], { cwd: project });
    // What npm would fetch, without the network.
    for (const name of [...Object.keys(dependencies), "@types/node", "undici-types"]) {
      await mkdir(join(modules, name, ".."), { recursive: true });
      await symlink(join(ROOT, "node_modules", name), join(modules, name));
    }
    await cp(join(ROOT, "examples"), join(project, "src"), { recursive: true });
    await writeFile(join(project, "package.json"), JSON.stringify({ name: "consumer", type: "module" }));
    const compilerOptions = {
      target: "es2022",
      module: "nodenext",
      strict: true,
      types: ["node"],
      // The package's own declarations are checked, too.
      skipLibCheck: false,
      rootDir: "src",
      outDir: "out",
    };
    await writeFile(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["src"] }));
  });
  afterAll(async () => {
    await rm(project, { recursive: true, force: true });
  });

  test("has types that a strict project compiles with", async () => {
    await run(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", project], { cwd: project });
  });

  test("has all its types: for Node alone, and for pages", async () => {
    await mkdir(join(project, "types"));
    const imports = ["vivarium", "vivarium/node", "vivarium/browser"].map((name) => `import "${name}";\n`);
    await writeFile(join(project, "types", "node.ts"), imports.slice(0, 2).join(""));
    await writeFile(join(project, "types", "page.ts"), imports.join(""));
    const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
    const strict = [
      "--ignoreConfig",
      "--noEmit",
      "--strict",
      "--module",
      "nodenext",
      "--target",
      "es2022",
      "--skipLibCheck",
      "false",
    ];
    for (const [file, lib] of [
      ["node.ts", "es2022"],
      ["page.ts", "es2022,dom,dom.asynciterable,esnext.disposable"],
    ] as const) {
      await run(process.execPath, [tsc, ...strict, "--types", "node", "--lib", lib, join("types", file)], {
        cwd: project,
      });
    }
  });

  test("runs a machine in a page that a bundler has made", { timeout: 240_000 }, async (context) => {
    needs(context, CHROMIUM);
    const page = join(project, "page");
    await mkdir(page);
    await writeFile(
      join(page, "index.html"),
      '<!doctype html><link rel="icon" href="data:," /><script type="module" src="./main.js"></script>',
    );
    // Stores 0x5555 to the test device at 0x100000, which switches the machine off.
    const program = "0x00100537, 0x000055b7, 0x55558593, 0x00b52023, 0x0000006f";
    const script = `
      import { Machine } from "vivarium";
      import { BrowserPlatform, defaultSite, KeptMachine } from "vivarium/browser";
      const program = new Uint8Array(Uint32Array.from([${program}]).buffer);
      globalThis.runMachine = async (platform) => {
        const options = { program, memoryMiB: 1, networks: [{ kind: "user" }], start: false };
        const machine = await Machine.create({ ...options, ...platform?.() });
        const halted = machine.halted();
        await machine.start();
        const halt = await halted;
        await machine.close();
        return halt.kind;
      };
      globalThis.elsewhere = () => ({ platform: new BrowserPlatform({ ...defaultSite, images: "/elsewhere/" }) });
      globalThis.keepMachine = async () => {
        const place = { kind: "kept", name: "kept.viv" };
        const endless = new Uint8Array(Uint32Array.of(${JUMP_TO_ITSELF}).buffer);
        const kept = await KeptMachine.open(defaultSite, { place, program: endless, memoryMiB: 1 });
        await kept.machine.start();
        await kept.machine.pause();
        await kept.save({ console: new Uint8Array() });
        await kept.close();
        const again = await KeptMachine.open(defaultSite, { place, program: endless, memoryMiB: 1 });
        const { status } = again.machine;
        await again.close();
        return status;
      };`;
    await writeFile(join(page, "main.js"), script);
    await buildPage(page, join(project, "site"));
    const site = await serveSite(join(project, "site"), { port: 0, host: "localhost" });
    const browser = await startChromium();
    try {
      const { page: tab, complaints } = await visit(browser, site.url);
      expect(await tab.evaluate("runMachine()")).toBe("poweroff");
      expect(await tab.evaluate("runMachine(elsewhere)")).toBe("poweroff");
      expect(await tab.evaluate("keepMachine()")).toBe("paused");
      expect(complaints).toEqual([]);
    } finally {
      await browser.close();
      await site.close();
    }
  });

  test("exports what runs a machine on one's own thread, for Node", async () => {
    const script = `
      import { VirtMachine, MachineFile, VivariumError } from "vivarium";
      import { loadCoreModule, NodeHostServices, openMachineFile } from "vivarium/node";
      await loadCoreModule();
      console.log([VirtMachine, MachineFile, VivariumError, NodeHostServices, openMachineFile].map((it) => typeof it));`;
    const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", script], { cwd: project });
    expect(stdout.match(/function/g)?.length).toBe(5);
  });

  // Without apt there is nothing to build the image with.
  test.skipIf(!hasApt).each(EXAMPLES)("example %s says what its comments say", async (name) => {
    await testImage();
    const env = { ...process.env, VIV_CACHE_DIR: process.env.VIV_CACHE_DIR ?? TEST_CACHE };
    const { stdout } = await run(process.execPath, [join(project, "out", `${name}.js`)], { env });
    const source = readFileSync(join(ROOT, "examples", `${name}.ts`), "utf8");
    const said = [...source.matchAll(/console\.log\(.*\); \/\/ (.*)/g)].flatMap(([, comment]) =>
      comment!.split(", fork"),
    );
    expect(said.length).toBeGreaterThan(2);
    for (const text of said) expect(stdout).toContain(text.trim());
  });

  test("has an example for everybody: each is run here", async () => {
    expect((await readdir(join(ROOT, "examples"))).sort()).toEqual(EXAMPLES.map((name) => `${name}.ts`));
  });
});
