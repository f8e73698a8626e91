/** Images as directories: a manifest and the files it names. */

import { createHash, randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Image } from "../../../images/image.js";
import { requireKernelImage } from "../../../images/kernel-image.js";
import {
  formatManifest,
  type ImageDisk,
  type ImageFile,
  type ImageManifest,
  MANIFEST_FILE,
  MANIFEST_MAX_BYTES,
  parseManifest,
} from "../../../images/manifest.js";
import { VivariumError } from "../../../util/errors.js";
import { copySparse } from "./sparse-copy.js";

const DISK_NAME_BYTE_LENGTH = 4;

/** An image before it has files. */
export interface ImageParts {
  readonly manifest: Omit<ImageManifest, "kernel" | "initrd" | "disk">;
  readonly kernel: Uint8Array;
  readonly initrd: Uint8Array;
  /** The file of a raw disk, which becomes the image's own: it is moved, not copied. */
  readonly diskFile?: string;
}

/**
 * Reads an image and compares every file with its checksum in the manifest.
 *
 * @throws VivariumError "image/missing" when the directory or its manifest is not there, "image/manifest",
 *   "image/damaged" or "image/kernel" when it is no image that could be started
 */
export async function readImageDirectory(directory: string): Promise<Image> {
  const manifestPath = join(directory, MANIFEST_FILE);
  const text = await readRegularFile(manifestPath, (byteLength) => {
    if (byteLength > MANIFEST_MAX_BYTES) {
      throw damaged(manifestPath, `it is ${byteLength} bytes long, at most ${MANIFEST_MAX_BYTES} are accepted`);
    }
  });
  const manifest = parseManifest(text.toString(), manifestPath);
  const kernel = await readChecked(directory, manifest.kernel);
  requireKernelImage(kernel, join(directory, manifest.kernel.file));
  const initrd = await readChecked(directory, manifest.initrd);
  const disk = manifest.disk === undefined ? null : await checkDisk(directory, manifest.disk);
  return { manifest, kernel, initrd, commandLine: manifest.commandLine, disk };
}

/**
 * Tells one image from another without reading it: a hash over its manifest, and over size and age of the files.
 *
 * @returns null where there is no image, and for one with a disk
 */
export async function fingerprintImageDirectory(directory: string): Promise<string | null> {
  try {
    const text = await readFile(join(directory, MANIFEST_FILE), "utf8");
    const { kernel, initrd, disk } = parseManifest(text, directory);
    if (disk !== undefined) return null;
    const files = await Promise.all([kernel, initrd].map(({ file }) => stat(join(directory, file))));
    const facts = files.map(({ size, mtimeMs }) => `${size} ${mtimeMs}`);
    return sha256(Buffer.from([text, ...facts].join("\n")));
  } catch {
    return null;
  }
}

/**
 * Writes an image into a directory that does not exist yet.
 *
 * @param onBytes called with the number of bytes written so far
 */
export async function writeImageDirectory(
  directory: string,
  parts: ImageParts,
  onBytes: (doneBytes: number) => void,
): Promise<void> {
  await mkdir(directory);
  let doneBytes = 0;
  const write = async (file: string, content: Uint8Array): Promise<ImageFile> => {
    await writeFile(join(directory, file), content);
    doneBytes += content.length;
    onBytes(doneBytes);
    return { file, byteLength: content.length, sha256: sha256(content) };
  };
  const kernel = await write("kernel", parts.kernel);
  const initrd = await write("initrd", parts.initrd);
  const { name, recipeVersion, architecture, packages, commandLine, ...rest } = parts.manifest;
  const disk = parts.diskFile === undefined ? {} : { disk: await takeDisk(directory, parts.diskFile) };
  const manifest = { name, recipeVersion, architecture, packages, kernel, initrd, ...disk, commandLine, ...rest };
  await writeFile(join(directory, MANIFEST_FILE), formatManifest(manifest));
}

/**
 * Copies an image into a directory that does not exist yet: its manifest and the files that it names, whatever else lies
 * beside them.
 */
export async function copyImageDirectory(source: string, directory: string): Promise<void> {
  const manifestPath = join(source, MANIFEST_FILE);
  const text = await readFile(manifestPath, "utf8");
  const { kernel, initrd, disk } = parseManifest(text, manifestPath);
  await mkdir(directory);
  for (const named of [kernel, initrd, disk]) {
    if (named !== undefined) await copySparse(join(source, named.file), join(directory, named.file));
  }
  await writeFile(join(directory, MANIFEST_FILE), text);
}

async function takeDisk(directory: string, diskFile: string): Promise<ImageDisk> {
  const { size } = await stat(diskFile);
  // Disks lie over it by its name: none is to find another one there when the image has been made anew.
  const file = `disk-${randomBytes(DISK_NAME_BYTE_LENGTH).toString("hex")}.img`;
  await rename(diskFile, join(directory, file));
  return { file, byteLength: size };
}

/** @returns the disk's path */
async function checkDisk(directory: string, { file, byteLength }: ImageDisk): Promise<string> {
  const path = join(directory, file);
  const status = await stat(path).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  if (!status.isFile()) throw damaged(path, "it is not a file");
  if (status.size !== byteLength) {
    throw damaged(path, `it is ${status.size} bytes long, the manifest says ${byteLength}`);
  }
  return path;
}

async function readChecked(directory: string, { file, byteLength, sha256: expected }: ImageFile): Promise<Uint8Array> {
  const path = join(directory, file);
  const content = await readRegularFile(path, (actual) => {
    if (actual !== byteLength) throw damaged(path, `it is ${actual} bytes long, the manifest says ${byteLength}`);
  });
  const actual = sha256(content);
  if (actual !== expected) throw damaged(path, `its SHA-256 is ${actual}, the manifest says ${expected}`);
  return content;
}

/** @param checkByteLength throws before anything is read */
async function readRegularFile(path: string, checkByteLength: (byteLength: number) => void): Promise<Buffer> {
  let file: FileHandle;
  try {
    file = await open(path);
  } catch (error) {
    throw unreadable(path, error);
  }
  try {
    const status = await file.stat();
    if (!status.isFile()) throw damaged(path, "it is not a file");
    checkByteLength(status.size);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

function unreadable(path: string, error: unknown): VivariumError {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new VivariumError("image/missing", `${path}: no such file, so this is not the directory of an image`, {
      path,
    });
  }
  return new VivariumError("image/damaged", `${path}: cannot be read (${code})`, { path });
}

function damaged(path: string, problem: string): VivariumError {
  return new VivariumError("image/damaged", `${path}: ${problem}`, { path });
}

function sha256(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
