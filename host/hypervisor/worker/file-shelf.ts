import type { HostedFile, HostingPlatform } from "../platform.js";

/** The machine files that a worker has open. */
export class FileShelf {
  readonly #platform: HostingPlatform;
  readonly #open = new Map<string, Promise<HostedFile>>();

  constructor(platform: HostingPlatform) {
    this.#platform = platform;
  }

  has(name: string): boolean {
    return this.#open.has(name);
  }

  /** The file of that name, which stays open. @throws VivariumError as `HostingPlatform.openFile` */
  open(name: string): Promise<HostedFile> {
    const known = this.#open.get(name);
    if (known !== undefined) return known;
    const opening = this.#platform.openFile(name);
    this.#open.set(name, opening);
    opening.catch(() => this.#open.delete(name));
    return opening;
  }

  /** Puts a file here that was opened otherwise. */
  add(name: string, file: HostedFile): void {
    this.#open.set(name, Promise.resolve(file));
  }

  async close(name: string): Promise<void> {
    const opening = this.#open.get(name);
    this.#open.delete(name);
    await (await opening)?.close();
  }

  async remove(name: string): Promise<void> {
    await this.close(name);
    await this.#platform.removeFile(name);
  }
}
