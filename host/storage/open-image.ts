/** Opens a disk image of any format, together with the images it lies over. */
import { VivariumError } from "../util/errors.js";
import type { BlockBackend } from "./block-backend.js";
import type { ByteStore } from "./byte-store.js";
import { DISK_FORMATS, type DiskFormat, detectFormat } from "./format.js";
import { openQcow2 } from "./qcow2/open-qcow2.js";
import { RawDisk } from "./raw.js";
import { openVhdx } from "./vhdx.js";
import { openVmdk } from "./vmdk.js";

/** Images below an image, at most: a chain that names itself does not end. */
const CHAIN_MAX = 16;

/** An image file, and what can be reached from it. */
export interface ImageSource {
  /** As messages call it. */
  readonly name: string;
  readonly store: ByteStore;
  /**
   * The file that the image names, opened for reading. An image may come from anywhere, so this decides which files it
   * may name.
   *
   * @throws VivariumError `disk/reference` when that is no such file
   */
  related(reference: string): Promise<ImageSource>;
}

export interface OpenImageOptions {
  /** Null to detect it: see `detectFormat`. */
  readonly format: DiskFormat | null;
  readonly readOnly: boolean;
  /** Id or name of a snapshot within a qcow2 image. */
  readonly internalSnapshot?: string | undefined;
}

/**
 * @param source its store is closed with the disk, and also when this throws
 * @throws VivariumError `disk/format`, `disk/reference` or `disk/file`, whose message goes on after the image's name
 */
export async function openImage(source: ImageSource, options: OpenImageOptions, depth = 0): Promise<BlockBackend> {
  const { store, name } = source;
  try {
    if (depth > CHAIN_MAX) throw new VivariumError("disk/format", `lies over more than ${CHAIN_MAX} other images`);
    const format = options.format ?? (await detectFormat(store, name));
    return await openFormat(source, format, options, depth);
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function openFormat(
  source: ImageSource,
  format: DiskFormat,
  options: OpenImageOptions,
  depth: number,
): Promise<BlockBackend> {
  const { store } = source;
  const { readOnly, internalSnapshot: snapshot } = options;
  if (snapshot !== undefined && format !== "qcow2") {
    throw new VivariumError("disk/format", `is a ${format} image; expected a qcow2 image, which has snapshots`);
  }
  switch (format) {
    case "raw":
      return new RawDisk(store, { readOnly });
    case "qcow2":
      return openQcow2(store, {
        readOnly,
        snapshot,
        openBacking: (reference) => openBacking(source, reference.file, reference.format, depth),
      });
    case "vmdk":
      return openVmdk(store, (reference) => related(source, reference, async ({ store: extent }) => extent));
    case "vhdx":
      return openVhdx(store);
  }
}

function openBacking(source: ImageSource, file: string, format: string | null, depth: number): Promise<BlockBackend> {
  // Whoever wrote to a raw backing file could have made it look like an image that names any other file.
  const known = DISK_FORMATS.find((each) => each === format);
  if (known === undefined) {
    const problem = format === null ? "does not say which format" : `says the unknown format ${quoted(format)} for`;
    const help = "expected one that qemu-img rebase -u -F has named";
    throw new VivariumError("disk/reference", `${problem} its backing file ${quoted(file)} has; ${help}`);
  }
  return related(source, file, (below) => openImage(below, { format: known, readOnly: true }, depth + 1));
}

/** Uses a file that the image names; what is wrong with it is told by that name. */
async function related<T>(source: ImageSource, reference: string, use: (found: ImageSource) => Promise<T>): Promise<T> {
  const found = await source.related(reference);
  try {
    return await use(found);
  } catch (error) {
    if (!(error instanceof VivariumError) || error.code !== "disk/format") throw error;
    throw new VivariumError("disk/reference", `lies over ${found.name}, which ${error.message}`);
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 200));
}
