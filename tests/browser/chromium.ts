import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { CHROMIUM } from "./requirements.js";

/** Debian's Chromium; tests run as root in containers, where its sandbox does not work. */
export function startChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM.path,
    args: [
      "--no-sandbox",
      "--disable-background-networking",
      // An origin that is no secure context, as any host on a network is without https.
      "--host-resolver-rules=MAP plain.test 127.0.0.1",
    ],
  });
}

/** A page that is open, and everything that went wrong in it. */
export interface Visit {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Uncaught errors and refused requests. */
  readonly complaints: readonly string[];
  /** Addresses that were asked for. */
  readonly requests: readonly URL[];
  /** Loads the page anew. What it was just asking for it lets go of then, which is no complaint. */
  reload(): Promise<void>;
}

/** Opens a page in a profile of its own. */
export async function visit(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext(options);
  const complaints: string[] = [];
  const requests: URL[] = [];
  context.on("request", (request) => requests.push(new URL(request.url())));
  let isLeaving = false;
  context.on("requestfailed", (request) => {
    const reason = request.failure()?.errorText;
    if (!(isLeaving && reason === "net::ERR_ABORTED")) complaints.push(`${request.url()}: ${reason}`);
  });
  context.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  context.on("weberror", (error) => complaints.push(String(error.error())));
  const page = await context.newPage();
  await page.goto(url);
  const reload = async (): Promise<void> => {
    isLeaving = true;
    await page.reload();
    isLeaving = false;
  };
  return { page, context, complaints, requests, reload };
}
