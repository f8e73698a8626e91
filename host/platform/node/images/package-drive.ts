import { type FileHandle, open } from "node:fs/promises";
import type { PackagePlace } from "../../../images/debian-scripts.js";

const SECTOR_BYTE_LENGTH = 512;
const ALIGNMENT = 4096;

/** The drive by which the installing guest gets its packages: pieces one after the other, found by their sectors. */
export class PackageDrive {
  readonly #file: FileHandle;
  #byteLength = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** @param path where nothing is yet */
  static async create(path: string): Promise<PackageDrive> {
    return new PackageDrive(await open(path, "wx"));
  }

  async add(content: Uint8Array): Promise<PackagePlace> {
    const sectorCount = Math.ceil(content.length / SECTOR_BYTE_LENGTH);
    const place = { sector: this.#byteLength / SECTOR_BYTE_LENGTH, sectorCount };
    for (let done = 0; done < content.length; ) {
      done += (await this.#file.write(content, done, content.length - done, this.#byteLength + done)).bytesWritten;
    }
    this.#byteLength += sectorCount * SECTOR_BYTE_LENGTH;
    return place;
  }

  async close(): Promise<void> {
    await this.#file.truncate(Math.ceil(this.#byteLength / ALIGNMENT) * ALIGNMENT);
    await this.#file.close();
  }
}
