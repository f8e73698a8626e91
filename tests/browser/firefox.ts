/**
 * Debian's Firefox through WebDriver BiDi, which it speaks itself. Debian has no geckodriver, and Playwright's own way
 * to BiDi asks for a command that this release of Firefox does not know (`emulation.setMediaFeaturesOverride`).
 *
 * Source: W3C WebDriver BiDi.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import WebSocket from "ws";

const LISTENING = /WebDriver BiDi listening on (ws:\/\/\S+)/;
const START_MS = 60_000;

/** Nothing but the page: no updates, telemetry or first-run pages. */
const PREFERENCES = `
user_pref("app.update.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "data:,");
user_pref("toolkit.telemetry.enabled", false);
`;

interface Answer {
  readonly id?: number;
  readonly type: "success" | "error" | "event";
  readonly result?: unknown;
  readonly error?: string;
  readonly message?: string;
}

interface EvaluateResult {
  readonly type: "success" | "exception";
  readonly result?: { readonly value?: unknown };
  readonly exceptionDetails?: { readonly text: string };
}

/** One Firefox with one tab. */
export class Firefox {
  readonly #process: ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #lastId = 0;
  #context = "";

  private constructor(process: ChildProcess, profile: string, socket: WebSocket) {
    this.#process = process;
    this.#profile = profile;
    this.#socket = socket;
    socket.on("message", (data) => {
      const answer = JSON.parse(String(data)) as Answer;
      if (answer.id !== undefined) this.#waiting.get(answer.id)?.(answer);
    });
  }

  static async start(executable: string): Promise<Firefox> {
    const profile = await mkdtemp(join(tmpdir(), "viv-firefox-"));
    await writeFile(join(profile, "user.js"), PREFERENCES);
    const args = ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"];
    const process = spawn(executable, args, { stdio: ["ignore", "ignore", "pipe"] });
    const socket = new WebSocket(`${await listeningAddress(process)}/session`);
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    const firefox = new Firefox(process, profile, socket);
    await firefox.#send("session.new", { capabilities: {} });
    const { contexts } = (await firefox.#send("browsingContext.getTree", {})) as { contexts: { context: string }[] };
    firefox.#context = contexts[0]!.context;
    return firefox;
  }

  /** Resolves when the page is loaded. */
  async open(url: string): Promise<void> {
    await this.#send("browsingContext.navigate", { context: this.#context, url, wait: "complete" });
  }

  /** The JSON that an expression gives in the page, awaited. @throws Error with what the page threw */
  async evaluate(expression: string): Promise<unknown> {
    const outcome = (await this.#send("script.evaluate", {
      expression: `(async () => JSON.stringify((await (${expression})) ?? null))()`,
      target: { context: this.#context },
      awaitPromise: true,
    })) as EvaluateResult;
    if (outcome.type === "exception") throw new Error(outcome.exceptionDetails?.text);
    return JSON.parse(String(outcome.result?.value));
  }

  async close(): Promise<void> {
    const exited = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#socket.close();
    this.#process.kill();
    await exited;
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 4 });
  }

  #send(method: string, params: object): Promise<unknown> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ type, result, error, message }) => {
        this.#waiting.delete(id);
        if (type === "success") resolve(result);
        else reject(new Error(`${method}: ${error}: ${message}`));
      });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }
}

function listeningAddress({ stderr }: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const timer = setTimeout(() => reject(new Error(`Firefox does not listen: ${text}`)), START_MS);
    stderr!.on("data", (chunk) => {
      text += chunk;
      const address = LISTENING.exec(text)?.[1];
      if (address === undefined) return;
      clearTimeout(timer);
      resolve(address);
    });
  });
}
