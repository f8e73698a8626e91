/** The console as a person uses it, in Debian's Chromium, before a daemon whose machines are pretended. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, expect, type TestContext, test } from "vitest";
import { readServeOptions } from "../../host/control/serve-options.js";
import { Daemon } from "../../host/platform/node/serve/daemon.js";
import { startChromium, type Visit, visit } from "../browser/chromium.js";
import { CHROMIUM } from "../browser/requirements.js";
import { needs } from "../e2e/requirements.js";
import { FakeHypervisor } from "../platform/serve/fake-hypervisor.js";

/** For machines that do much else. */
const WAIT_MS = 30_000;
const TEST_MS = 120_000;

interface Scene extends Visit {
  readonly hypervisor: FakeHypervisor;
  readonly url: string;
  end(): Promise<void>;
}

let browser: Promise<Browser> | undefined;

afterAll(async () => {
  await (await browser?.catch(() => undefined))?.close();
});

/** A daemon of its own, and its console open with the address that it printed. */
async function open(context: TestContext, options: BrowserContextOptions = {}): Promise<Scene> {
  needs(context, CHROMIUM);
  browser ??= startChromium();
  const directory = await mkdtemp(join(tmpdir(), "viv-console-"));
  const hypervisor = new FakeHypervisor();
  const daemon = await Daemon.open(
    { ...readServeOptions({ listen: "127.0.0.1:0" }), data: directory, standardDirectory: directory, log: () => {} },
    async () => hypervisor,
  );
  const seen = await visit(await browser, daemon.consoleUrl!, options);
  await seen.page.getByRole("heading", { name: "Machines" }).waitFor();
  const end = async (): Promise<void> => {
    await seen.context.close();
    await daemon.close();
    await rm(directory, { recursive: true });
  };
  return { ...seen, hypervisor, url: daemon.url, end };
}

/** Fills the form in and sends it. */
async function askFor(page: Page, name: string): Promise<void> {
  await page.getByRole("button", { name: "Create" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill(name);
  await dialog.getByRole("button", { name: "Create" }).click();
}

async function create(page: Page, name: string): Promise<void> {
  await askFor(page, name);
  await page.getByRole("heading", { name, exact: true }).waitFor();
}

function terminal(page: Page): Promise<string> {
  return page.locator(".xterm-rows").innerText();
}

async function openTab(page: Page, name: string): Promise<void> {
  await page.getByRole("tab", { name }).click();
}

async function chooseMore(page: Page, machine: string, item: string): Promise<void> {
  await page.getByRole("button", { name: `More for ${machine}` }).click();
  await page.getByRole("menuitem", { name: item }).click();
}

test(
  "console: the address that the daemon printed signs in, and the token is in the address no more",
  async (context) => {
    const { page, complaints, requests, url, reload, end } = await open(context);
    expect(page.url()).not.toContain("token");
    await page.getByText("There are no machines yet.").waitFor();
    await reload();
    await page.getByText("There are no machines yet.").waitFor();
    expect(requests.every((request) => request.origin === new URL(url).origin && !request.href.includes("viv_"))).toBe(
      true,
    );
    expect(complaints).toEqual([]);

    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("Token").fill("viv_wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("This token is not one of this hypervisor").waitFor();
    await end();
  },
  TEST_MS,
);

test(
  "console: a machine is made by form, typed to, paused, resumed, switched off after asking, and destroyed",
  async (context) => {
    const { page, hypervisor, complaints, reload, end } = await open(context);
    await create(page, "web");
    await expect.poll(() => terminal(page), { timeout: WAIT_MS }).toMatch(/root@vivarium:~#/);
    await page.locator(".xterm-helper-textarea").focus();
    await page.keyboard.type("hello");
    await expect.poll(() => terminal(page), { timeout: WAIT_MS }).toMatch(/hello/);
    // The terminal survives a reload: the last screen is shown again.
    await reload();
    await expect.poll(() => terminal(page), { timeout: WAIT_MS }).toMatch(/hello/);
    hypervisor.print("web", new TextEncoder().encode("\r\nnews from the guest"));
    await expect.poll(() => terminal(page), { timeout: WAIT_MS }).toMatch(/news from the guest/);

    await page.getByRole("button", { name: "Pause" }).click();
    await page.locator(".status", { hasText: "Paused" }).waitFor();
    await page.getByRole("button", { name: "Resume" }).click();
    await page.locator(".status", { hasText: "Running" }).waitFor();

    await chooseMore(page, "web", "Switch off");
    await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
    expect(await page.locator(".status").innerText()).toBe("Running");
    await chooseMore(page, "web", "Switch off");
    await page.getByRole("dialog").getByRole("button", { name: "Switch off" }).click();
    await page.locator(".status", { hasText: "Off" }).waitFor();

    await chooseMore(page, "web", "Destroy");
    await page.getByRole("dialog").getByRole("button", { name: "Destroy" }).click();
    await page.getByText("There are no machines yet.").waitFor();
    expect(complaints).toEqual([]);
    await end();
  },
  TEST_MS,
);

test(
  "console: a slider acts at once, and what another changes is seen without a reload",
  async (context) => {
    const { page, hypervisor, end } = await open(context);
    await create(page, "web");
    await openTab(page, "Overview");
    const shares = page.getByLabel("Shares");
    await shares.focus();
    await page.keyboard.press("ArrowRight");
    const settings = async () =>
      (await hypervisor.perform("machine.get", { machine: "web" }, { principal: "test" })).spec.cpu;
    await expect.poll(async () => (await settings()).shares, { timeout: WAIT_MS }).toBe(150);
    await page.getByLabel("Limit").focus();
    await page.keyboard.press("Home");
    await expect.poll(async () => (await settings()).limit, { timeout: WAIT_MS }).toBe(0.05);
    await page.keyboard.press("End");
    await expect.poll(async () => (await settings()).limit, { timeout: WAIT_MS }).toBe(null);

    await hypervisor.perform("machine.set", { machine: "web", cpu: { shares: 800 } }, { principal: "test" });
    await expect.poll(() => shares.getAttribute("aria-valuetext"), { timeout: WAIT_MS }).toBe("800");
    await expect.poll(() => page.locator(".chart canvas").count(), { timeout: WAIT_MS }).toBe(4);
    await end();
  },
  TEST_MS,
);

test(
  "console: snapshots are a tree to save to, go back in, fork from and delete from",
  async (context) => {
    const { page, hypervisor, end } = await open(context);
    await create(page, "web");
    await openTab(page, "Snapshots");
    await page.getByText("There are no snapshots yet.").waitFor();
    for (const name of ["clean", "tried"]) {
      await page.getByRole("button", { name: "Snapshot now" }).click();
      await page.getByRole("dialog").getByLabel("Name").fill(name);
      await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
      await page.locator(".tree li", { hasText: name }).waitFor();
    }
    const clean = page.locator(".tree li", { hasText: "clean" });
    await clean.getByRole("button", { name: "Restore" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Restore" }).click();
    await expect.poll(() => clean.getAttribute("aria-current"), { timeout: WAIT_MS }).toBe("true");

    await page.getByRole("button", { name: "Fork clean" }).click();
    await page.getByRole("dialog").getByLabel("Machines").fill("2");
    await page.getByRole("dialog").getByRole("button", { name: "Fork" }).click();
    await page.getByText("web-1, web-2: going on beside web").waitFor();

    await page.getByRole("button", { name: "Delete tried" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await expect.poll(() => page.locator(".tree li").count(), { timeout: WAIT_MS }).toBe(1);
    const left = await hypervisor.perform("snapshot.list", { machine: "web" }, { principal: "test" });
    expect(left.map(({ name }) => name)).toEqual(["clean"]);
    await end();
  },
  TEST_MS,
);

test(
  "console: keys alone lead to a machine and back, and a window gives the focus back",
  async (context) => {
    const { page, end } = await open(context);
    await create(page, "alpha");
    await page.keyboard.press("Control+Shift+Enter");
    await page.keyboard.press("Escape");
    await page.getByRole("heading", { name: "Machines" }).waitFor();
    await create(page, "beta");
    await page.goto(`${page.url().split("#")[0]}#/machines`);
    await page.getByRole("link", { name: "beta" }).waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "beta", exact: true }).waitFor();
    await page.keyboard.press("3");
    const snapshots = page.getByRole("tab", { name: "Snapshots" });
    await expect.poll(() => snapshots.getAttribute("aria-selected"), { timeout: WAIT_MS }).toBe("true");
    await page.keyboard.press("g");
    await page.keyboard.press("p");
    await page.getByRole("heading", { name: "Pools" }).waitFor();
    await page.keyboard.press("?");
    await page.getByRole("dialog").getByText("Filter machines").waitFor();
    await page.keyboard.press("Escape");
    await expect.poll(() => page.getByRole("dialog").count(), { timeout: WAIT_MS }).toBe(0);
    await page.keyboard.press("g");
    await page.keyboard.press("m");
    await page.getByRole("heading", { name: "Machines" }).waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("alp");
    await expect.poll(() => page.locator(".machines tbody tr").count(), { timeout: WAIT_MS }).toBe(1);
    await end();
  },
  TEST_MS,
);

test(
  "console: a machine's export is downloaded, and a file is imported under another name",
  async (context) => {
    const { page, end } = await open(context);
    await create(page, "web");
    const [download] = await Promise.all([page.waitForEvent("download"), chooseMore(page, "web", "Export")]);
    const directory = await mkdtemp(join(tmpdir(), "viv-console-file-"));
    const file = join(directory, "moved.viv");
    await download.saveAs(file);
    expect((await readFile(file)).length).toBeGreaterThan(64 * 4096);

    await page.goto(`${page.url().split("#")[0]}#/machines`);
    await page.getByRole("button", { name: "Import" }).click();
    await page.getByRole("dialog").getByLabel("File").setInputFiles(file);
    expect(await page.getByRole("dialog").getByLabel("Name").inputValue()).toBe("moved");
    await page.getByRole("dialog").getByRole("button", { name: "Import" }).click();
    await page.getByRole("heading", { name: "moved", exact: true }).waitFor();

    // What cannot be imported is said in one line that stays.
    await page.goto(`${page.url().split("#")[0]}#/machines`);
    await writeFile(file, "nothing of the kind");
    await page.getByRole("button", { name: "Import" }).click();
    await page.getByRole("dialog").getByLabel("File").setInputFiles(file);
    await page.getByRole("dialog").getByLabel("Name").fill("broken");
    await page.getByRole("dialog").getByRole("button", { name: "Import" }).click();
    await page.getByText("Importing broken: this is no exported machine").waitFor();
    await rm(directory, { recursive: true });
    await end();
  },
  TEST_MS,
);

test(
  "console: a token is made, shown once, signs in as what it is, and is out at once when it is revoked",
  async (context) => {
    const { page, url, end } = await open(context);
    await page.getByRole("link", { name: "Access" }).click();
    await page.getByRole("button", { name: "Create token" }).click();
    await page.getByRole("dialog").getByLabel("Label").fill("looker");
    await page.getByRole("dialog").getByRole("button", { name: "Create" }).click();
    const secret = await page.locator(".secret").innerText();
    await page.getByRole("button", { name: "Done" }).click();

    const other = await visit(await browser!, `${url}/#token=${secret}`);
    await other.page.getByText("There are no machines yet.").waitFor();
    // Who may only look is offered nothing else.
    await expect.poll(() => other.page.getByRole("button", { name: "Create" }).count(), { timeout: WAIT_MS }).toBe(0);

    await page.getByRole("button", { name: "Revoke looker" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    await other.page.getByLabel("Token").waitFor();
    await other.context.close();
    await end();
  },
  TEST_MS,
);

test(
  "console: nothing is cut off on a phone, in the light and in the dark",
  async (context) => {
    for (const colorScheme of ["light", "dark"] as const) {
      const { page, hypervisor, end } = await open(context, { viewport: { width: 360, height: 640 }, colorScheme });
      for (const name of ["web", "a-machine-with-a-name-as-long-as-a-name-may-be-which-is-63-signs"]) {
        await hypervisor.perform("machine.create", { name }, { principal: "test" });
      }
      await page.getByRole("link", { name: "web" }).waitFor();
      for (const hash of [
        "machines",
        "machines/web/overview",
        "machines/web/snapshots",
        "images",
        "pools",
        "events",
        "access",
      ]) {
        await page.goto(`${page.url().split("#")[0]}#/${hash}`);
        await page.waitForTimeout(200);
        const widths = await page.evaluate(
          "[document.documentElement.scrollWidth, document.querySelector('.view').scrollWidth]",
        );
        expect(widths, hash).toEqual([360, 360]);
      }
      await end();
    }
  },
  TEST_MS,
);
