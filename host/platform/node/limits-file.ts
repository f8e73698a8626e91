import { readFile, stat } from "node:fs/promises";
import { type Limits, readLimits } from "../../control/limits-file.js";
import { VivariumError } from "../../util/errors.js";

/** How often the file is looked at. */
const POLL_MS = 500;

/** The file of `--limits`, which the operator may change at any time. */
export class LimitsFile {
  readonly #file: string;
  #limits: Limits;
  #apply: (limits: Limits) => void = () => {};
  readonly #warn: (message: string) => void;
  readonly #timer: NodeJS.Timeout;
  /** What the file was like when it was last read. */
  #version: string;

  private constructor(file: string, version: string, limits: Limits, warn: (message: string) => void) {
    this.#file = file;
    this.#version = version;
    this.#limits = limits;
    this.#warn = warn;
    this.#timer = setInterval(() => void this.#look(), POLL_MS);
    this.#timer.unref();
  }

  /**
   * @param warn told why a changed file is not obeyed: what held before goes on
   * @throws VivariumError `option/invalid` when there is no such file, or not of limits
   */
  static async open(file: string, warn: (message: string) => void): Promise<LimitsFile> {
    const version = await versionOf(file);
    return new LimitsFile(file, version, await read(file), warn);
  }

  /** @param apply called now and whenever the file has changed */
  follow(apply: (limits: Limits) => void): void {
    this.#apply = apply;
    apply(this.#limits);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    const version = await versionOf(this.#file);
    if (version === this.#version) return;
    this.#version = version;
    try {
      this.#limits = await read(this.#file);
      this.#apply(this.#limits);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#warn(`${reason}; the limits stay as they are`);
    }
  }
}

/** Another one whenever the file may have changed. Taken before it is read, so that no change is missed. */
async function versionOf(file: string): Promise<string> {
  const found = await stat(file, { bigint: true }).catch(() => null);
  return found === null ? "none" : `${found.ino}:${found.size}:${found.mtimeNs}`;
}

async function read(file: string): Promise<Limits> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new VivariumError(
      "option/invalid",
      `--limits: ${file} cannot be read (${reason}); expected a file of limits`,
    );
  }
  return readLimits(text, `--limits: ${file}`);
}
