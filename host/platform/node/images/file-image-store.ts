import { rmSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Image, ImageProgress, ImageStore, OpenImageOptions } from "../../../images/image.js";
import { VivariumError } from "../../../util/errors.js";
import { withBuildLock } from "./build-lock.js";
import {
  fingerprintImageDirectory,
  type ImageParts,
  readImageDirectory,
  writeImageDirectory,
} from "./image-directory.js";

/** Makes one image. */
export interface ImageBuilder {
  readonly recipeVersion: number;
  /**
   * @param workDirectory empty, and removed afterwards with all that is in it
   * @throws VivariumError when the operator can do something about it
   */
  build(workDirectory: string, onProgress: (progress: ImageProgress) => void): Promise<ImageParts>;
}

/** Left-overs of builders that have died are removed when they are older than any build takes. */
const ABANDONED_MS = 24 * 60 * 60 * 1000;

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
      const directory = join(this.#directory, `${name}-${builder.recipeVersion}`);
      return (await readIfSound(directory)) ?? this.#build(directory, builder, options.onProgress ?? (() => {}));
    }
    if (name.includes("/") || (await exists(name))) return readImageDirectory(name);
    const message = `no image is called ${JSON.stringify(name)}: there is ${this.names.join(", ")}, or give the directory of an image`;
    throw new VivariumError("image/unknown", message, { name });
  }

  /** A text that changes with the image of that name; null when it would have to be built first. */
  fingerprint(name: string): Promise<string | null> {
    const builder = this.#builders.get(name);
    const directory = builder === undefined ? name : join(this.#directory, `${name}-${builder.recipeVersion}`);
    return fingerprintImageDirectory(directory);
  }

  async #build(
    directory: string,
    builder: ImageBuilder,
    onProgress: (progress: ImageProgress) => void,
  ): Promise<Image> {
    try {
      await makeDirectory(this.#directory);
      return await withBuildLock(
        `${directory}.lock`,
        async () => (await readIfSound(directory)) ?? this.#buildLocked(directory, builder, onProgress),
        () => onProgress({ stage: "waiting", doneBytes: 0, totalBytes: null }),
      );
    } catch (error) {
      if (!isFileError(error)) throw error;
      const message = `${error.path ?? this.#directory}: cannot be written (${error.code}): set VIV_CACHE_DIR to a directory that can, with 400 MB free`;
      throw new VivariumError("image/cache", message, { directory: this.#directory });
    }
  }

  async #buildLocked(
    directory: string,
    builder: ImageBuilder,
    onProgress: (progress: ImageProgress) => void,
  ): Promise<Image> {
    await removeAbandoned(this.#directory);
    const temporary = await mkdtemp(temporaryPrefix(directory));
    const removeAtExit = () => rmSync(temporary, { recursive: true, force: true, maxRetries: REMOVAL_RETRIES });
    process.once("exit", removeAtExit);
    try {
      const work = join(temporary, "work");
      await mkdir(work);
      const parts = await builder.build(work, onProgress);
      const totalBytes = parts.kernel.length + parts.initrd.length;
      const image = join(temporary, "image");
      await writeImageDirectory(image, parts, (doneBytes) => onProgress({ stage: "assemble", doneBytes, totalBytes }));
      // What has the name already is damaged, or as good as ours and made by a builder that took over our lock.
      await rename(directory, join(temporary, "replaced")).catch(() => {});
      await rename(image, directory);
    } finally {
      process.off("exit", removeAtExit);
      await rm(temporary, { recursive: true, force: true });
    }
    return readImageDirectory(directory);
  }
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

function temporaryPrefix(directory: string): string {
  return join(dirname(directory), `.${basename(directory)}${TEMPORARY_MARK}`);
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
