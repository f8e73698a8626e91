import { realpath, stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative, resolve } from "node:path";
import type { DriveRequest } from "../../control/actions.js";
import type { BlockBackend } from "../../storage/block-backend.js";
import { HttpStore } from "../../storage/http-store.js";
import { type ImageSource, openImage } from "../../storage/open-image.js";
import { OverlayDisk } from "../../storage/overlay.js";
import { createQcow2 } from "../../storage/qcow2/create-qcow2.js";
import { readQcow2Header } from "../../storage/qcow2/header.js";
import { ThrottledDisk, type ThrottleLimits } from "../../storage/throttle.js";
import { VivariumError } from "../../util/errors.js";
import { FetchClient } from "./fetch-client.js";
import { FileStore } from "./file-store.js";
import { NodeHostServices } from "./host-services.js";
import { FileLock } from "./machine-file/file-lock.js";

/** A drive as the machine gets it. */
export interface OpenDrive {
  readonly backend: BlockBackend;
  readonly serial: string;
  /** Sets its limits, if it was opened so that they can change: null for none, undefined for those of the beginning. */
  readonly setLimits?: (limits: ThrottleLimits | null | undefined) => void;
  /** Those of the beginning, of a drive that a kept machine has for itself: see `MachineFiles.limitDisk`. */
  readonly limits?: ThrottleLimits | null;
}

/** A file that a drive uses, and whether it writes it. */
interface UsedFile {
  readonly drive: string;
  readonly file: string;
  readonly identity: string;
  readonly isWritten: boolean;
}

/**
 * Opens every drive, or none.
 *
 * @param options `isLimited`: whether limits may be set later; `slots`: of the drives, one after the other unless given
 * @throws VivariumError `drive/unusable` naming the drive as `disk0`, `disk1` and so on
 */
export async function openDrives(
  requests: readonly DriveRequest[],
  { isLimited = false, slots }: { readonly isLimited?: boolean; readonly slots?: readonly number[] } = {},
): Promise<readonly OpenDrive[]> {
  const drives: OpenDrive[] = [];
  const used: UsedFile[] = [];
  try {
    for (const [index, request] of requests.entries()) {
      const name = `disk${slots?.[index] ?? index}`;
      const disk = await explained(name, request.file, () => openDrive(name, request, used));
      const serial = request.serial ?? name;
      drives.push(isLimited ? { ...limited(disk, request.limits), serial } : { backend: disk, serial });
    }
    return drives;
  } catch (error) {
    await closeDrives(drives);
    throw error;
  }
}

export async function closeDrives(drives: readonly OpenDrive[]): Promise<void> {
  await Promise.all(drives.map(({ backend }) => backend.close()));
}

/** A disk whose limits can change. @param limits those at first */
export function limited(disk: BlockBackend, limits: ThrottleLimits | null): Omit<OpenDrive, "serial"> {
  const backend = disk instanceof ThrottledDisk ? disk : new ThrottledDisk(disk, new NodeHostServices());
  return { backend, setLimits: (set) => backend.setLimits((set === undefined ? limits : set) ?? {}) };
}

/** How a disk image is opened: as `--drive` has it, see `control/drive-options.ts`. */
export type OpenDiskOptions = Partial<Omit<DriveRequest, "file" | "serial">>;

/**
 * The disk in an image file.
 *
 * @param name for messages
 * @throws VivariumError `drive/unusable` when there is none that can be opened so
 */
export function openDisk(file: string, options: OpenDiskOptions = {}, name = "disk"): Promise<BlockBackend> {
  const request: DriveRequest = { ...DEFAULT_REQUEST, ...options, file };
  return explained(name, file, () => openDrive(name, request, []));
}

/**
 * The disk that lies over `base` in a qcow2 image, which is made when there is none.
 *
 * @param base a raw image
 * @throws VivariumError `drive/unusable` when the image cannot be made or opened, or lies over something else
 */
export async function openOverlay(base: string, file: string): Promise<BlockBackend> {
  await explained("disk", file, async () => {
    const store = await FileStore.create(file);
    if (store === null) return refuseOtherBase(base, file);
    const { size } = await stat(base);
    await createQcow2(store, { byteLength: size, backing: { file: resolve(base), format: "raw" } });
    await store.close();
  });
  return openDisk(file, { format: "qcow2", backing: "any" });
}

/**
 * A disk that lies over another image's goes with that image's kernel, and one whose base was made anew is lost. What
 * the operator has put together of other formats is the operator's.
 */
async function refuseOtherBase(base: string, file: string): Promise<void> {
  const store = await FileStore.open(file, { readOnly: true });
  const { backing } = await readQcow2Header(store).finally(() => store.close());
  if (backing?.format !== "raw") return;
  const found = resolve(dirname(file), backing.file);
  if (found === resolve(base)) return;
  const isThere = await stat(found).then(
    () => true,
    () => false,
  );
  const advice = isThere
    ? `expected the image that it was begun with: viv run ${dirname(found)} --disk ${file}`
    : "which is not there any more";
  throw new VivariumError("disk/reference", `lies over ${found}, ${advice}`);
}

const DEFAULT_REQUEST = {
  format: null,
  readOnly: false,
  snapshot: false,
  backing: "same-directory",
  limits: null,
} as const;

async function openDrive(name: string, request: DriveRequest, used: UsedFile[]): Promise<BlockBackend> {
  const { file, format, readOnly, snapshot, internalSnapshot, limits } = request;
  const source = isUrl(file)
    ? await UrlSource.open(file)
    : await FileSource.open(file, readOnly || snapshot, request.backing, (identity, isWritten) => {
        used.push({ drive: name, file, identity, isWritten });
        refuseSharedFiles(used);
      });
  let disk = await openImage(source, { format, readOnly: readOnly || snapshot, internalSnapshot });
  if (snapshot) disk = new OverlayDisk(disk, await FileStore.temporary());
  return limits === null ? disk : new ThrottledDisk(disk, new NodeHostServices(), limits);
}

/** An image in a file, which may name other files: those of its own directory, or any if the operator says so. */
class FileSource implements ImageSource {
  private constructor(
    readonly name: string,
    readonly store: FileStore,
    private readonly backing: "same-directory" | "any",
    private readonly onFile: (identity: string, isWritten: boolean) => void,
  ) {}

  static async open(
    file: string,
    readOnly: boolean,
    backing: "same-directory" | "any",
    onFile: (identity: string, isWritten: boolean) => void,
  ): Promise<FileSource> {
    const store = await FileStore.open(file, { readOnly });
    try {
      onFile(store.identity, !readOnly);
      await lock(store, await realpath(file));
    } catch (error) {
      await store.close();
      throw error;
    }
    return new FileSource(file, store, backing, onFile);
  }

  async related(reference: string): Promise<FileSource> {
    const directory = dirname(this.name);
    const plain = reference.startsWith("file:") ? reference.slice("file:".length) : reference;
    const file = isAbsolute(plain) ? plain : join(directory, plain);
    if (this.backing === "same-directory" && !(await isWithin(directory, file))) {
      const quoted = JSON.stringify(reference.slice(0, 200));
      const message = `lies over ${quoted}, which is not in the directory of the image; expected backing=any to allow that`;
      throw new VivariumError("disk/reference", message);
    }
    return FileSource.open(file, true, this.backing, this.onFile);
  }
}

/** An image on a web server, which may name others in its own directory there. */
class UrlSource implements ImageSource {
  private constructor(
    readonly name: string,
    readonly store: HttpStore,
  ) {}

  static async open(url: string): Promise<UrlSource> {
    return new UrlSource(url, await HttpStore.open(new FetchClient(), url));
  }

  async related(reference: string): Promise<UrlSource> {
    const directory = new URL(".", this.name).href;
    const url = URL.canParse(reference, directory) ? new URL(reference, directory) : null;
    if (url === null || new URL(".", url).href !== directory) {
      const quoted = JSON.stringify(reference.slice(0, 200));
      throw new VivariumError("disk/reference", `lies over ${quoted}, which is not in the directory of the image`);
    }
    return UrlSource.open(url.href);
  }
}

/**
 * A disk has one writer and nobody who reads beside it. Readers leave no lock: a writer does not notice those that were
 * there before it. Where no lock can be made, the operator has to see to it.
 *
 * @throws VivariumError `file/in-use`
 */
async function lock(store: FileStore, file: string): Promise<void> {
  if (store.readOnly) {
    FileLock.refuseHeld(file);
    return;
  }
  try {
    const held = await FileLock.acquire(file);
    store.onClose = () => held.release();
  } catch (error) {
    if (!(error instanceof VivariumError) || error.code !== "file/unwritable") throw error;
  }
}

export function isUrl(file: string): boolean {
  return /^https?:\/\//i.test(file);
}

/** Whether the file, wherever links lead to, is in the directory itself. */
async function isWithin(directory: string, file: string): Promise<boolean> {
  try {
    const target = await realpath(file);
    return relative(await realpath(directory), target) === basename(target);
  } catch {
    // A file that is not there is told of when it is opened; only its name decides then.
    return relative(directory, file) === basename(file);
  }
}

/** A guest that writes a disk under one name does not expect it to change under another. */
function refuseSharedFiles(used: readonly UsedFile[]): void {
  for (const [index, { drive, file, identity, isWritten }] of used.entries()) {
    const other = used.slice(0, index).find((earlier) => earlier.identity === identity);
    if (other === undefined || (!isWritten && !other.isWritten)) continue;
    const message =
      other.drive === drive
        ? `${file} lies over itself`
        : `${drive}: ${file} is ${other.drive} already; expected another file, or both readonly`;
    throw new VivariumError("drive/unusable", message, { drive, file });
  }
}

/** What is wrong with an image is told by the drive and the file that the operator named. */
export async function explained<T>(name: string, file: string, open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof VivariumError)) throw unreadable(name, file, error);
    switch (error.code) {
      case "disk/format":
      case "disk/reference":
        throw unusable(name, file, `${file} ${error.message}`);
      case "disk/file":
        throw unusable(name, file, error.message);
      case "file/in-use":
        throw unusable(
          name,
          file,
          `${error.message}; expected another file, or readonly in every program that uses it`,
        );
      default:
        throw error;
    }
  }
}

function unreadable(name: string, file: string, error: unknown): VivariumError {
  return unusable(name, file, `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
}

function unusable(name: string, file: string, problem: string): VivariumError {
  return new VivariumError("drive/unusable", `${name}: ${problem}`, { drive: name, file });
}
