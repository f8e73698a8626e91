/** Folders of a browser's, in Debian's Chromium: its private file system. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FolderError } from "../../host/share/errno.js";
import type { FolderDirectory, FolderFile, SharedFolder } from "../../host/share/shared-folder.js";
import { buildPage } from "../../web/site/build-page.js";
import { type Site, serveSite } from "../../web/site/serve-site.js";
import {
  errnoOf,
  get,
  OURS,
  put,
  READ,
  READ_WRITE,
  sharedFolderContract,
} from "../contracts/shared-folder-contract.js";
import { isThere } from "../e2e/requirements.js";
import { startChromium, visit } from "./chromium.js";
import type { CallResult } from "./folder/page.js";
import { CHROMIUM } from "./requirements.js";

const EFBIG = 27;
const EILSEQ = 84;
const EPERM = 1;

/** An object in the page: its methods are called there. */
class PageObject {
  constructor(
    readonly page: Page,
    readonly object: number,
  ) {}

  async call(method: string, ...given: unknown[]): Promise<unknown> {
    const last = given.at(-1);
    const into = method === "read" ? (last as Uint8Array) : null;
    const sent = (into === null ? given : given.slice(0, -1)).map((argument) => {
      if (argument instanceof Uint8Array) return { base64: Buffer.from(argument).toString("base64") };
      return argument instanceof PageObject ? { object: argument.object } : argument;
    });
    const result = await this.page.evaluate(
      ([object, name, list, length]) =>
        (globalThis as unknown as { callFolder(...all: unknown[]): Promise<CallResult> }).callFolder(
          object,
          name,
          list,
          length,
        ),
      [this.object, method, sent, into?.length ?? null] as const,
    );
    if ("errno" in result) throw new FolderError(result.errno);
    if ("object" in result) return remote(this.page, result.object);
    if (result.base64 !== undefined) into?.set(Buffer.from(result.base64, "base64"));
    return result.value;
  }
}

/** All methods of a folder, a directory or a file, in the page. */
function remote<T = SharedFolder & FolderDirectory & FolderFile>(page: Page, object: number): T {
  const target = new PageObject(page, object);
  return new Proxy(target, {
    get: (_, name) => {
      if (name === "then") return undefined;
      if (name === "object") return target.object;
      return (...given: unknown[]) => target.call(String(name), ...given);
    },
  }) as unknown as T;
}

// Without Debian's chromium there is no browser to try it in; in CI that fails.
describe.skipIf(!isThere(CHROMIUM))("a folder of a browser's", () => {
  const directory = mkdtempSync(join(tmpdir(), "viv-folder-"));
  let site: Site;
  let browser: Browser;
  let page: Page;
  let opened = 0;

  beforeAll(async () => {
    await buildPage(fileURLToPath(new URL("folder", import.meta.url)), directory);
    site = await serveSite(directory, { port: 0, host: "localhost" });
    browser = await startChromium();
    ({ page } = await visit(browser, site.url));
  });
  afterAll(async () => {
    await browser?.close();
    await site?.close();
    rmSync(directory, { recursive: true });
  });

  const open = async () => {
    const object = await page.evaluate(
      (name) => (globalThis as unknown as { openFolder(name: string): Promise<number> }).openFolder(name),
      `folder${opened++}`,
    );
    return remote<SharedFolder>(page, object);
  };

  sharedFolderContract("of a browser's", async () => ({
    folder: await open(),
    lacks: ["links", "permissions", "times", "hard-links"],
  }));

  test("names that are not UTF-8, links and devices are refused", async () => {
    const root = await (await open()).root();
    expect(await errnoOf(() => root.createFile("\xff", READ_WRITE, OURS))).toBe(EILSEQ);
    expect(await errnoOf(() => root.makeLink("link", "target", OURS))).toBe(EPERM);
    expect(await errnoOf(() => root.addName("name", root, "other"))).toBe(EPERM);
  });

  test("a file that is open keeps what it was when another takes its name, and when its directory moves", async () => {
    const root = await (await open()).root();
    await put(root, "old", "was here");
    await put(root, "new", "is here");
    const old = await root.openFile("old", READ);
    await root.rename("new", root, "old");
    const into = new Uint8Array(8);
    expect(await old.read(0, into)).toBe(8);
    expect(new TextDecoder().decode(into)).toBe("was here");
    expect(await get(root, "old")).toBe("is here");
    await root.makeDirectory("a", OURS);
    const a = await root.openDirectory("a");
    const file = await a.createFile("file", READ_WRITE, OURS);
    await file.write(0, new TextEncoder().encode("one"));
    await root.rename("a", root, "b");
    await file.write(3, new TextEncoder().encode(" two"));
    file.close();
    expect(await get(await root.openDirectory("b"), "file")).toBe("one two");
    expect(await get(a, "file")).toBe("one two");
  });

  test("a length that no file can have is refused", async () => {
    const root = await (await open()).root();
    await put(root, "file", "");
    expect(await errnoOf(() => root.change("file", { byteLength: 2 ** 60 }))).toBe(EFBIG);
  });
});
