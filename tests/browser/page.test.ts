/** The page as a person uses it, in Debian's Chromium. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, expect, type TestContext, test } from "vitest";
import { openMachineFile } from "../../host/platform/node/machine-file/open-machine-file.js";
import { buildSite } from "../../web/site/build-site.js";
import { type Site, serveSite } from "../../web/site/serve-site.js";
import { defaultImage } from "../e2e/default-image.js";
import { needs } from "../e2e/requirements.js";
import { longTest } from "../long-test.js";
import { startChromium, visit } from "./chromium.js";
import { Firefox } from "./firefox.js";
import { CHROMIUM, FIREFOX } from "./requirements.js";

/** For machines that do much else. */
const WAIT_MS = 60_000;
const TEST_MS = 300_000;

const directory = mkdtempSync(join(tmpdir(), "viv-page-"));
let started: Promise<{ readonly site: Site; readonly browser: Browser }> | undefined;

afterAll(async () => {
  const running = await started?.catch(() => undefined);
  await running?.browser.close();
  await running?.site.close();
  rmSync(directory, { recursive: true });
});

async function start(context: TestContext) {
  needs(context, CHROMIUM);
  const image = await defaultImage(context);
  started ??= (async () => {
    await buildSite(join(directory, "site"), image);
    const site = await serveSite(join(directory, "site"), { port: 0, host: "localhost" });
    return { site, browser: await startChromium() };
  })();
  return started;
}

/** What stands on the terminal. */
function screen(page: Page): Promise<string> {
  return page.locator(".xterm-rows").innerText();
}

async function shows(page: Page, text: string | RegExp): Promise<void> {
  await expect.poll(() => screen(page), { timeout: WAIT_MS, interval: 100 }).toMatch(text);
}

/** The line of the page's own that says what has happened. */
async function says(page: Page, text: string): Promise<void> {
  await expect.poll(() => page.locator("#notice-text").innerText(), { timeout: WAIT_MS }).toBe(text);
}

async function type(page: Page, line: string): Promise<void> {
  await page.locator(".xterm-helper-textarea").focus();
  await page.keyboard.type(line);
  await page.keyboard.press("Enter");
}

function status(page: Page): Promise<string> {
  return page.locator("#status-text").innerText();
}

test(
  "page: a machine that has been booted is at its prompt, asks no other host, and is kept for the next visit",
  async (context) => {
    const { site, browser } = await start(context);
    const { page, context: profile, complaints, requests } = await visit(browser, site.url);
    await shows(page, /root@vivarium:~#/);
    await expect.poll(() => status(page)).toBe("Running");
    expect(await page.evaluate("crossOriginIsolated")).toBe(false);

    await type(page, "note=a-$((6*7)); echo $note");
    await shows(page, /^a-42/m);

    // The size of the window reaches the guest.
    await page.setViewportSize({ width: 700, height: 500 });
    await expect
      .poll(async () => {
        await type(page, "clear; stty size");
        await page.waitForTimeout(200);
        return screen(page);
      })
      .toMatch(/^2\d [78]\d$/m);

    await page.click("#run");
    await expect.poll(() => status(page), { timeout: WAIT_MS }).toBe("Paused");
    await page.reload();
    await expect.poll(() => status(page), { timeout: WAIT_MS }).toBe("Running");
    await type(page, "echo still $note");
    await shows(page, /^still a-42/m);

    expect(complaints).toEqual([]);
    expect(new Set(requests.map(({ origin }) => origin))).toEqual(new Set([new URL(site.url).origin]));
    await profile.close();
  },
  TEST_MS,
);

test(
  "page: a snapshot is come back to, a downloaded machine opens in Node, and an uploaded one takes the place of another",
  async (context) => {
    const { site, browser } = await start(context);
    const { page, context: profile } = await visit(browser, site.url);
    await shows(page, /root@vivarium:~#/);
    await type(page, "where=before; echo $where");
    await shows(page, /^before/m);
    await page.click("#snapshot");
    await says(page, "Saved as snapshot-1.");
    await type(page, "where=after; echo $where");
    await shows(page, /^after/m);

    const [download] = await Promise.all([page.waitForEvent("download"), page.click("#download")]);
    const file = join(directory, "downloaded.viv");
    await download.saveAs(file);
    const opened = await openMachineFile(file);
    expect(opened.file.snapshots.map(({ name }) => name)).toEqual(["snapshot-1", null]);
    await opened.close();

    await page.click("#restore");
    await page.click("#history-list .point");
    await says(page, "Back at snapshot-1.");
    await type(page, "echo it is $where");
    await shows(page, /^it is before/m);

    await page.setInputFiles("#file", file);
    await expect.poll(() => status(page), { timeout: WAIT_MS }).toBe("Running");
    await type(page, "echo now it is $where");
    await shows(page, /^now it is after/m);

    // A file that is none changes nothing.
    await page.setInputFiles("#file", {
      name: "a.viv",
      mimeType: "",
      buffer: readFileSync(CHROMIUM.path).subarray(0, 8192),
    });
    await says(page, "a.viv: this is no machine file.");
    await type(page, "echo $where as ever");
    await shows(page, /^after as ever/m);
    await profile.close();
  },
  TEST_MS,
);

test(
  "page: says in one line what is missing, and runs without what it can do without",
  async (context) => {
    const { site, browser } = await start(context);

    // Neither a machine that has been booted nor an image.
    const bare = await visit(browser, "about:blank");
    const absent = (file: RegExp) => bare.context.route(file, (route) => route.fulfill({ status: 404 }));
    await absent(/booted/);
    await absent(/initrd/);
    await bare.page.goto(site.url);
    await says(bare.page, "/images/debian-mini/initrd.gzip: the server answered 404 Not Found.");
    expect(await status(bare.page)).toBe("Not running");
    // The line goes when what was missing is there, and the image boots.
    await bare.context.unroute(/initrd/);
    await bare.page.click("#run");
    await shows(bare.page, /root@vivarium:~#/);

    // Another tab of the same browser.
    const second = await bare.context.newPage();
    await second.goto(site.url);
    await says(second, "Another tab has this machine open.");
    await bare.context.close();

    // A policy that allows no WebAssembly.
    const strict = await visit(browser, "about:blank");
    await strict.context.route(/machine-worker.*js$/, async (route) => {
      const response = await route.fetch();
      const headers = { ...response.headers(), "content-security-policy": "script-src 'self'" };
      await route.fulfill({ response, headers });
    });
    await strict.page.goto(site.url);
    await expect
      .poll(() => strict.page.locator("#notice-text").innerText(), { timeout: WAIT_MS })
      .toMatch(/Content-Security-Policy allows no WebAssembly/);
    await strict.context.close();

    // A page from plain http, which browsers give no files.
    const plain = await visit(browser, site.url.replace("localhost", "plain.test"));
    await shows(plain.page, /root@vivarium:~#/);
    await says(
      plain.page,
      "This browser keeps no files for this page: it does so for https and localhost only. " +
        "This machine is gone when the tab closes, unless you download it.",
    );
    await plain.page.click("#snapshot");
    await says(plain.page, "Saved as snapshot-1.");
    await plain.context.close();
  },
  TEST_MS,
);

test(
  "page: what was recorded is replayed on the terminal to the same state or cancelled, and the machine goes on where it was",
  async (context) => {
    const { site, browser } = await start(context);
    const { page, context: profile, complaints } = await visit(browser, site.url);
    await shows(page, /root@vivarium:~#/);
    const isRecording = () => page.locator("#record").getAttribute("aria-pressed");
    await page.click("#record");
    await says(page, "Recording. What is typed is in the machine's file, too.");
    expect(await isRecording()).toBe("true");
    await type(page, "clear; head -c 9 /dev/urandom | base64; seq -s- 40 42");
    await shows(page, /^40-41-42\s+root@vivarium:~#/m);
    const seen = await screen(page);

    await page.click("#restore");
    await page.click("#replay");
    await page.click("#run:has-text('Cancel')");
    await says(page, "Replay cancelled. The machine goes on where it is when it is resumed.");
    expect(await status(page)).toBe("Paused");

    await page.click("#restore");
    await page.click("#replay");
    await expect
      .poll(() => page.locator("#notice-text").innerText(), { timeout: WAIT_MS })
      .toMatch(/^Replayed [\d,.]+ instructions, to the same state\.$/);
    expect(await status(page)).toBe("Paused");
    await expect.poll(() => screen(page), { timeout: WAIT_MS }).toBe(seen);
    expect(await isRecording()).toBe("false");

    await page.click("#run");
    await type(page, "clear; echo and on, $((6*7))");
    await shows(page, /^and on, 42/m);
    expect(complaints).toEqual([]);
    await profile.close();
  },
  TEST_MS,
);

test(
  "page: when the browser has no more room it says so, the machine runs on, and what was saved is there",
  async (context) => {
    const { site, browser } = await start(context);
    const { page, context: profile } = await visit(browser, site.url);
    await shows(page, /root@vivarium:~#/);
    await type(page, "where=before; echo $where");
    await shows(page, /^before/m);
    await page.click("#snapshot");
    await says(page, "Saved as snapshot-1.");

    const devtools = await profile.newCDPSession(page);
    const { origin } = new URL(site.url);
    const usage = Number(await page.evaluate("navigator.storage.estimate().then(({ usage }) => usage)"));
    await devtools.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: usage + (1 << 20) });
    await type(page, "where=after; head -c 16000000 /dev/urandom > /tmp/x; echo $where");
    await shows(page, /^after/m);
    await page.click("#snapshot");
    await says(page, "The browser gives this page no more room; delete snapshots, or free space on the disk.");
    const tooLong = Buffer.alloc(40 << 20);
    tooLong.write("SQLite format 3\0");
    await page.setInputFiles("#file", { name: "a.viv", mimeType: "", buffer: tooLong });
    await says(page, "a.viv: the browser gives this page no more room; delete snapshots, or free space on the disk.");
    await type(page, "echo $where as ever");
    await shows(page, /^after as ever/m);

    await page.click("#restore");
    await page.click("#history-list .point");
    await says(page, "Back at snapshot-1.");
    await type(page, "echo it is $where");
    await shows(page, /^it is before/m);
    await devtools.send("Storage.overrideQuotaForOrigin", { origin });
    await page.click("#snapshot");
    await says(page, "Saved as snapshot-2.");
    await profile.close();
  },
  TEST_MS,
);

test(
  "page: can be used without a mouse, on a phone; what is selected is copied, and the clipboard is pasted",
  async (context) => {
    const { site, browser } = await start(context);
    const viewport = { width: 360, height: 740 };
    const { page, context: profile } = await visit(browser, site.url, { viewport, hasTouch: true, isMobile: true });
    await shows(page, /root@vivarium:~#/);
    // Nothing is wider than the screen, and everything to be touched is as large as a finger.
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(viewport.width);
    for (const button of await page.locator("#toolbar button, #keys button").all()) {
      expect((await button.boundingBox())!.height).toBeGreaterThanOrEqual(40);
    }

    await type(page, "cat");
    await type(page, "said twice");
    await shows(page, /^said twice\s+said twice/m);
    await page.locator("#keys").getByText("Ctrl").click();
    await page.keyboard.type("c");
    await type(page, "echo stopped by $?");
    await shows(page, /^stopped by 130/m);

    await page.keyboard.press("Control+Shift+Enter");
    await page.keyboard.press("ArrowLeft");
    expect(await page.evaluate("document.activeElement.id")).toBe("upload");
    for (let presses = 0; presses < 2; presses++) await page.keyboard.press("ArrowLeft");
    expect(await page.evaluate("document.activeElement.id")).toBe("restore");
    await page.keyboard.press("Enter");
    await expect.poll(() => page.locator("#history-empty").isVisible()).toBe(true);
    await page.keyboard.press("Escape");
    await expect.poll(() => page.evaluate("document.activeElement.className")).toContain("xterm");
    await page.keyboard.type("echo back");
    await shows(page, /echo back\s*$/m);

    // The clipboard, by keys and by touch.
    await page.keyboard.press("Enter");
    await profile.grantPermissions(["clipboard-read", "clipboard-write"], { origin: new URL(site.url).origin });
    const clipboard = () => page.evaluate("navigator.clipboard.readText()");
    await type(page, "clear; echo word-$((6*7))");
    await shows(page, /^word-42/m);
    // As xterm.js has it, a double click selects a word.
    for (const key of ["Control+Shift+C", "Control+C"]) {
      await page.evaluate('navigator.clipboard.writeText("")');
      const box = (await page.locator(".xterm-rows > div", { hasText: /^word-42/ }).boundingBox())!;
      await page.mouse.dblclick(box.x + 10, box.y + box.height / 2);
      await page.keyboard.press(key);
      await expect.poll(clipboard).toBe("word-42");
    }

    await page.evaluate('navigator.clipboard.writeText("echo pasted-$((6*7))")');
    await page.locator(".xterm-helper-textarea").focus();
    await page.keyboard.press("Control+Shift+V");
    await shows(page, /# echo pasted-/);
    await page.keyboard.press("Enter");
    await shows(page, /^pasted-42/m);
    await page.evaluate('navigator.clipboard.writeText("echo touched-$((6*7))")');
    await page.locator("#keys").getByText("Paste").click();
    await shows(page, /# echo touched-/);
    await page.keyboard.press("Enter");
    await shows(page, /^touched-42/m);
    await profile.close();
  },
  TEST_MS,
);

longTest(
  "page: is at the prompt in Firefox, and keeps the machine for the next visit",
  async (context) => {
    needs(context, FIREFOX);
    const { site } = await start(context);
    const firefox = await Firefox.start(FIREFOX.path);
    const text = (id: string) => firefox.evaluate(`document.getElementById("${id}").textContent`);
    const terminal = () => firefox.evaluate(`document.querySelector(".xterm-rows").innerText`);
    try {
      await firefox.open(site.url);
      await expect.poll(terminal, { timeout: 3 * WAIT_MS }).toMatch(/root@vivarium:~#/);
      await expect.poll(() => text("status-text"), { timeout: WAIT_MS }).toBe("Running");
      await firefox.evaluate(`document.getElementById("snapshot").click()`);
      await expect.poll(() => text("notice-text"), { timeout: WAIT_MS }).toBe("Saved as snapshot-1.");
      await firefox.open(site.url);
      await expect.poll(() => text("status-text"), { timeout: WAIT_MS }).toBe("Running");
      await firefox.evaluate(`document.getElementById("restore").click()`);
      await expect.poll(() => text("history-list"), { timeout: WAIT_MS }).toMatch(/^snapshot-1/);
    } finally {
      await firefox.close();
    }
  },
  TEST_MS,
);
