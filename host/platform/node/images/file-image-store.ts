import { rmSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { formatByteLength } from "../../../control/byte-length.js";
import type { Image, ImageProgress, ImageStore, OpenImageOptions } from "../../../images/image.js";
import type { ImageManifest } from "../../../images/manifest.js";
import { VivariumError } from "../../../util/errors.js";
import { withBuildLock } from "./build-lock.js";
import {
  copyImageDirectory,
  fingerprintImageDirectory,
  type ImageParts,
  readImageDirectory,
  writeImageDirectory,
} from "./image-directory.js";

/** What an operator may choose about an image that is being made. */
export interface BuildOptions {
  /** Length of its disk, a multiple of 4096, where it has one. */
  readonly diskByteLength?: number | undefined;
}

/** Makes one image. */
export interface ImageBuilder {
  readonly recipeVersion: number;
  /** Whether it is made only when somebody asks for that, and not when it is to be started. */
  readonly isMadeOnRequest?: boolean;
  /** As in its images' manifests. */
  readonly minimumMemoryMiB?: number;
  /** Whether it has a disk, whose length may be chosen. */
  readonly hasDisk?: boolean;
  /**
   * @param workDirectory empty, and removed afterwards with all that is in it
   * @throws VivariumError when the operator can do something about it
   */
  build(
    workDirectory: string,
    onProgress: (progress: ImageProgress) => void,
    options: BuildOptions,
  ): Promise<ImageParts>;
}

/** An image in the store. */
export interface ImageListing {
  readonly name: string;
  readonly state: "built" | "imported" | "not built";
  /** What its files take of the host's disk. */
  readonly storedBytes: number;
  /** Length of its disk, or 0. */
  readonly diskByteLength: number;
  readonly packageCount: number;
}

const IMAGE_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/i;
const IMPORTED_MARK = ".imported";

/** Who makes an image shows so often that it is alive; what has not been touched for so long is nobody's. */
const HEARTBEAT_MS = 5000;
const ABANDONED_MS = 60_000;

/** For a directory in which a program that has been killed is still writing: these take a second. */
const REMOVAL_RETRIES = 4;

/**
 * Images in a directory of the user's: `NAME-RECIPEVERSION/`, each built when it is first asked for.
 *
 * An image appears in one step, whole: it is built in a directory of its own, which then gets its name. So several
 * processes can use a store, and one that dies leaves nothing that could be taken for an image.
 */
export class FileImageStore implements ImageStore {
  readonly #directory: string;
  readonly #builders: ReadonlyMap<string, ImageBuilder>;

  /** @param directory made when it is first needed */
  constructor(directory: string, builders: ReadonlyMap<string, ImageBuilder>) {
    this.#directory = directory;
    this.#builders = builders;
  }

  get names(): readonly string[] {
    return [...this.#builders.keys()].sort();
  }

  async open(name: string, options: OpenImageOptions = {}): Promise<Image> {
    const builder = this.#builders.get(name);
    if (builder !== undefined) {
      const directory = this.#builtDirectory(name, builder);
      const image = await readIfSound(directory);
      if (image !== null) return { ...image, manifest: { ...knownOf(builder), ...image.manifest } };
      if (builder.isMadeOnRequest !== true) return this.#build(directory, builder, options);
      const message = `image ${name} has not been built: "viv image build ${name}" does that, which takes some minutes`;
      throw new VivariumError("image/not-built", message, { name });
    }
    if (IMAGE_NAME.test(name) && (await exists(this.#importedDirectory(name)))) {
      return readImageDirectory(this.#importedDirectory(name));
    }
    if (name.includes("/") || (await exists(name))) return readImageDirectory(name);
    const known = [...this.names, ...(await this.#importedNames())].sort().join(", ");
    const message = `no image is called ${JSON.stringify(name)}: there is ${known}, or give the directory of an image`;
    throw new VivariumError("image/unknown", message, { name });
  }

  /**
   * Makes an image, unless it is there already.
   *
   * @param force makes it in any case
   * @throws VivariumError when there is no recipe of that name, it cannot be built, or it is there with another disk
   */
  async build(name: string, options: OpenImageOptions & BuildOptions, force: boolean): Promise<Image> {
    const builder = this.#builders.get(name);
    if (builder === undefined) {
      const message = `no recipe is called ${JSON.stringify(name)}: expected ${this.names.join(" or ")}`;
      throw new VivariumError("image/unknown", message, { name });
    }
    const { diskByteLength } = options;
    if (diskByteLength !== undefined && builder.hasDisk !== true) {
      throw new VivariumError("image/size", `--size: image ${name} has no disk`, { name });
    }
    const directory = this.#builtDirectory(name, builder);
    const known = force ? null : await readIfSound(directory);
    if (known === null) return this.#build(directory, builder, options, force);
    const knownByteLength = known.manifest.disk?.byteLength;
    if (diskByteLength !== undefined && diskByteLength !== knownByteLength) {
      const message = `image ${name} is there already, with a disk of ${formatByteLength(knownByteLength ?? 0)}: --force makes it anew`;
      throw new VivariumError("image/size", message, { name });
    }
    return known;
  }

  /** What can be started by its name, sorted by it. */
  async list(): Promise<readonly ImageListing[]> {
    const listings: ImageListing[] = [];
    for (const [name, builder] of this.#builders) {
      listings.push(await listing(name, this.#builtDirectory(name, builder), "built"));
    }
    for (const name of await this.#importedNames()) {
      listings.push(await listing(name, this.#importedDirectory(name), "imported"));
    }
    return listings.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Removes an image, of whatever version of its recipe. @throws VivariumError `image/unknown` when it is not there */
  async remove(name: string): Promise<void> {
    const entries = IMAGE_NAME.test(name) ? await readdir(this.#directory).catch(() => []) : [];
    const isOf = (entry: string): boolean =>
      entry === `${name}${IMPORTED_MARK}` ||
      (this.#builders.has(name) && entry.startsWith(`${name}-`) && /^\d+$/.test(entry.slice(name.length + 1)));
    const own = entries.filter(isOf);
    await this.#writing(async () => {
      for (const entry of own) await rm(join(this.#directory, entry), { recursive: true });
    });
    if (own.length > 0) return;
    const message = `no image ${JSON.stringify(name)} is in ${this.#directory}: "viv image ls" lists what is`;
    throw new VivariumError("image/unknown", message, { name });
  }

  /**
   * Copies the directory of an image into the store, under a name that no recipe has.
   *
   * @throws VivariumError when it is no sound image, or the name is taken
   */
  async import(name: string, source: string): Promise<void> {
    if (!IMAGE_NAME.test(name) || this.#builders.has(name)) {
      const message = `${JSON.stringify(name)} cannot be an image's name: expected letters, digits and dashes, and not ${this.names.join(" or ")}`;
      throw new VivariumError("image/name", message, { name });
    }
    await readImageDirectory(source);
    const directory = this.#importedDirectory(name);
    if (await exists(directory)) {
      throw new VivariumError("image/name", `image ${name} is there already: "viv image rm ${name}" removes it`, {
        name,
      });
    }
    await this.#writing(async () => {
      await makeDirectory(this.#directory);
      await withTemporary(directory, async (temporary) => {
        await copyImageDirectory(source, join(temporary, "image"));
        await rename(join(temporary, "image"), directory);
      });
    });
  }

  /** A text that changes with the image of that name; null when it would have to be built first, or has a disk. */
  async fingerprint(name: string): Promise<string | null> {
    const builder = this.#builders.get(name);
    if (builder !== undefined) return fingerprintImageDirectory(this.#builtDirectory(name, builder));
    const isImported = IMAGE_NAME.test(name) && (await exists(this.#importedDirectory(name)));
    return fingerprintImageDirectory(isImported ? this.#importedDirectory(name) : name);
  }

  async #importedNames(): Promise<readonly string[]> {
    const entries = await readdir(this.#directory).catch(() => []);
    return entries
      .filter((entry) => entry.endsWith(IMPORTED_MARK) && !entry.includes(TEMPORARY_MARK))
      .map((entry) => entry.slice(0, -IMPORTED_MARK.length));
  }

  #builtDirectory(name: string, builder: ImageBuilder): string {
    return join(this.#directory, `${name}-${builder.recipeVersion}`);
  }

  #importedDirectory(name: string): string {
    return join(this.#directory, `${name}${IMPORTED_MARK}`);
  }

  async #build(
    directory: string,
    builder: ImageBuilder,
    options: OpenImageOptions & BuildOptions,
    force = false,
  ): Promise<Image> {
    const { onProgress = () => {} } = options;
    return this.#writing(async () => {
      await makeDirectory(this.#directory);
      return withBuildLock(
        `${directory}.lock`,
        async () =>
          (force ? null : await readIfSound(directory)) ?? this.#buildLocked(directory, builder, onProgress, options),
        () => onProgress({ stage: "waiting", doneBytes: 0, totalBytes: null }),
      );
    });
  }

  /** Does what writes to the store; that it cannot be written is told in one line. */
  async #writing<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!isFileError(error)) throw error;
      const message = `${error.path ?? this.#directory}: cannot be written (${error.code}): set VIV_CACHE_DIR to a directory that can, with enough room`;
      throw new VivariumError("image/cache", message, { directory: this.#directory });
    }
  }

  async #buildLocked(
    directory: string,
    builder: ImageBuilder,
    onProgress: (progress: ImageProgress) => void,
    options: BuildOptions,
  ): Promise<Image> {
    await removeAbandoned(this.#directory);
    await withTemporary(directory, async (temporary) => {
      const work = join(temporary, "work");
      await mkdir(work);
      const parts = await builder.build(work, onProgress, options);
      const totalBytes = parts.kernel.length + parts.initrd.length;
      const image = join(temporary, "image");
      await writeImageDirectory(image, parts, (doneBytes) => onProgress({ stage: "assemble", doneBytes, totalBytes }));
      // What has the name already is damaged, or as good as ours and made by a builder that took over our lock.
      await rename(directory, join(temporary, "replaced")).catch(() => {});
      await rename(image, directory);
    });
    // One that was killed just before this one began is known to be dead by now.
    await removeAbandoned(this.#directory);
    return readImageDirectory(directory);
  }
}

/** What manifests of images that were made before did not say. */
function knownOf({ minimumMemoryMiB }: ImageBuilder): Pick<ImageManifest, "minimumMemoryMiB"> {
  return minimumMemoryMiB === undefined ? {} : { minimumMemoryMiB };
}

/** Makes a directory and those it is in. Node's own recursive mkdir never ends below /proc. */
async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory);
  } catch (error) {
    if (!isFileError(error)) throw error;
    if (error.code === "EEXIST" && (await stat(directory)).isDirectory()) return;
    const parent = dirname(directory);
    if (error.code !== "ENOENT" || parent === directory || (await exists(parent))) throw error;
    await makeDirectory(parent);
    await makeDirectory(directory);
  }
}

async function listing(name: string, directory: string, state: "built" | "imported"): Promise<ImageListing> {
  const image = await readIfSound(directory);
  if (image === null) return { name, state: "not built", storedBytes: 0, diskByteLength: 0, packageCount: 0 };
  let storedBytes = 0;
  for (const file of await readdir(directory)) storedBytes += (await stat(join(directory, file))).blocks * 512;
  const { disk, packages } = image.manifest;
  return { name, state, storedBytes, diskByteLength: disk?.byteLength ?? 0, packageCount: packages.length };
}

/** The image in a directory, or null when there is none or it is damaged. */
async function readIfSound(directory: string): Promise<Image | null> {
  try {
    return await readImageDirectory(directory);
  } catch (error) {
    if (error instanceof VivariumError) return null;
    throw error;
  }
}

const TEMPORARY_MARK = ".building-";

/** Does `work` with a directory beside `directory` for what is not whole yet, which is gone afterwards. */
async function withTemporary(directory: string, work: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = await mkdtemp(join(dirname(directory), `.${basename(directory)}${TEMPORARY_MARK}`));
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(temporary, now, now).catch(() => {});
  }, HEARTBEAT_MS);
  const removeAtExit = () => rmSync(temporary, { recursive: true, force: true, maxRetries: REMOVAL_RETRIES });
  process.once("exit", removeAtExit);
  try {
    await work(temporary);
  } finally {
    clearInterval(heartbeat);
    process.off("exit", removeAtExit);
    await rm(temporary, { recursive: true, force: true });
  }
}

async function removeAbandoned(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    if (!name.includes(TEMPORARY_MARK)) continue;
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs > ABANDONED_MS) await rm(path, { recursive: true, force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function isFileError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error && "code" in error;
}
