import { mkdir, open, readFile, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { AGENT_PROTOCOL_VERSION } from "../../../guest-agent/protocol.js";
import { writeAr } from "../../../images/ar.js";
import {
  DEBIAN_BOOT_MODULES,
  DEBIAN_COMMAND_LINE,
  DEBIAN_CORE_PACKAGES,
  DEBIAN_MEMORY_MIB,
  DEBIAN_PACKAGES,
  DEBIAN_RECIPE_VERSION,
} from "../../../images/debian.js";
import {
  buildBootInitrd,
  buildInstallInitrd,
  type ForeignFiles,
  type InstallPlan,
  MKE2FS_FILES,
  type NamedPlace,
} from "../../../images/debian-initrds.js";
import {
  BUSYBOX_PACKAGE,
  DEBIAN_SUITE,
  type DebianMiniParts,
  KERNEL_META_PACKAGE,
} from "../../../images/debian-mini.js";
import type { ImageProgress } from "../../../images/image.js";
import { DEBIAN } from "../../../images/image-names.js";
import { requireKernelImage } from "../../../images/kernel-image.js";
import { collectModules } from "../../../images/modules.js";
import { utf8 } from "../../../util/bytes.js";
import { VivariumError } from "../../../util/errors.js";
import type { BuildOptions, ImageBuilder } from "./file-image-store.js";
import type { ImageParts } from "./image-directory.js";
import { runInstallGuest } from "./install-guest.js";
import { PackageDrive } from "./package-drive.js";
import { type DebianPackage, PrivateApt } from "./private-apt.js";
import { requireRoom } from "./room.js";
import { UnpackedModules } from "./unpacked-modules.js";

const ARCHITECTURE = "riscv64";
const KERNEL_PACKAGE = /^linux-image-(\d\S*)$/;
const DEFAULT_DISK_BYTE_LENGTH = 4 * 2 ** 30;
/** What the packages take at most while the image is made: as they are, unpacked on their drive, and installed. */
const ROOM_FACTOR = 8;
const DEB_VERSION = utf8("2.0\n");

type OnProgress = (progress: ImageProgress) => void;

/** Makes `debian` of the packages of a Debian mirror. */
export class DebianBuilder implements ImageBuilder {
  readonly recipeVersion = DEBIAN_RECIPE_VERSION;
  readonly minimumMemoryMiB = DEBIAN_MEMORY_MIB;
  /** It takes minutes and half a gigabyte. */
  readonly isMadeOnRequest = true;
  readonly hasDisk = true;
  readonly #mirror: string | undefined;

  /** @param mirror the value of VIV_DEBIAN_MIRROR, if it is set */
  constructor(mirror: string | undefined) {
    this.#mirror = mirror;
  }

  async build(workDirectory: string, onProgress: OnProgress, options: BuildOptions): Promise<ImageParts> {
    const apt = await this.#createApt(join(workDirectory, "apt"));
    onProgress({ stage: "lists", doneBytes: 0, totalBytes: null });
    await apt.update((doneBytes, totalBytes) => onProgress({ stage: "lists", doneBytes, totalBytes }));
    const names = await apt.plan([...DEBIAN_PACKAGES, KERNEL_META_PACKAGE]);
    const core = new Set(await apt.plan(DEBIAN_CORE_PACKAGES));
    const fetched = await this.#fetch(apt, workDirectory, names, onProgress);
    const parts = await unpackBootParts(apt, workDirectory, fetched);
    const mke2fs = await unpackMke2fs(apt, workDirectory, fetched);
    const packagesFile = join(workDirectory, "packages.img");
    const plan = await collect(
      apt,
      packagesFile,
      fetched.filter(({ name }) => names.includes(name)),
      core,
      onProgress,
    );
    const diskFile = join(workDirectory, "disk.img");
    await createSparse(diskFile, options.diskByteLength ?? DEFAULT_DISK_BYTE_LENGTH);
    await runInstallGuest({
      kernel: parts.kernel,
      initrd: buildInstallInitrd(parts, mke2fs, plan, apt.publicMirror, DEBIAN_SUITE),
      commandLine: DEBIAN_COMMAND_LINE,
      diskFile,
      packagesFile,
      onLine: progressReader(fetched, onProgress),
    });
    await rm(packagesFile);
    return {
      manifest: {
        name: DEBIAN,
        recipeVersion: DEBIAN_RECIPE_VERSION,
        architecture: ARCHITECTURE,
        packages: fetched.map(({ name, version, sha256 }) => ({ name, version, sha256 })),
        commandLine: DEBIAN_COMMAND_LINE,
        minimumMemoryMiB: this.minimumMemoryMiB,
        execProtocol: AGENT_PROTOCOL_VERSION,
      },
      kernel: parts.kernel,
      initrd: buildBootInitrd(parts),
      diskFile,
    };
  }

  async #createApt(directory: string): Promise<PrivateApt> {
    await mkdir(directory);
    return PrivateApt.create({ directory, suite: DEBIAN_SUITE, architecture: ARCHITECTURE, mirror: this.#mirror });
  }

  /** The packages to be installed, and busybox for the initial RAM disks. */
  async #fetch(
    apt: PrivateApt,
    workDirectory: string,
    names: readonly string[],
    onProgress: OnProgress,
  ): Promise<Fetched[]> {
    const packages = await apt.showAll([...new Set([...names, BUSYBOX_PACKAGE])]);
    const totalBytes = sumOf(packages);
    await requireRoom(workDirectory, totalBytes * ROOM_FACTOR);
    const files = await apt.download(packages, (fraction) =>
      onProgress({ stage: "packages", doneBytes: Math.round(fraction * totalBytes), totalBytes }),
    );
    return packages.map((each, index) => ({ ...each, file: files[index]! }));
  }
}

interface Fetched extends DebianPackage {
  /** The package file. */
  readonly file: string;
}

function sumOf(packages: readonly DebianPackage[]): number {
  return packages.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

function requirePackage(fetched: readonly Fetched[], isWanted: (name: string) => boolean, what: string): Fetched {
  const found = fetched.find(({ name }) => isWanted(name));
  if (found !== undefined) return found;
  throw new VivariumError("image/package", `debian: expected ${what} among the packages to install`, { name: what });
}

/** The kernel, and what the initial RAM disks have in common. */
async function unpackBootParts(
  apt: PrivateApt,
  workDirectory: string,
  fetched: readonly Fetched[],
): Promise<DebianMiniParts & { readonly kernel: Uint8Array }> {
  const kernelPackage = requirePackage(
    fetched,
    (name) => KERNEL_PACKAGE.test(name) && name !== KERNEL_META_PACKAGE,
    "a kernel",
  );
  const kernelRelease = KERNEL_PACKAGE.exec(kernelPackage.name)![1]!;
  const kernelTree = join(workDirectory, "kernel");
  await apt.unpack(kernelPackage.file, kernelTree);
  const kernelFile = join(kernelTree, "boot", `vmlinux-${kernelRelease}`);
  const kernel = await readFile(kernelFile);
  requireKernelImage(kernel, basename(kernelFile));
  const modules = await collectModules(
    DEBIAN_BOOT_MODULES,
    await UnpackedModules.open(join(kernelTree, "usr/lib/modules", kernelRelease), apt),
  );
  const busyboxTree = join(workDirectory, "busybox");
  await apt.unpack(requirePackage(fetched, (name) => name === BUSYBOX_PACKAGE, BUSYBOX_PACKAGE).file, busyboxTree);
  const busybox = await readFile(join(busyboxTree, "usr/bin/busybox"));
  await rm(kernelTree, { recursive: true });
  return { kernelRelease, modules, busybox, kernel };
}

async function unpackMke2fs(
  apt: PrivateApt,
  workDirectory: string,
  fetched: readonly Fetched[],
): Promise<ForeignFiles> {
  const files: { path: string; content: Uint8Array }[] = [];
  for (const [name, paths] of Object.entries(MKE2FS_FILES)) {
    const tree = join(workDirectory, `tree-${name}`);
    await apt.unpack(requirePackage(fetched, (each) => each === name, name).file, tree);
    for (const path of paths) files.push({ path, content: await readFile(join(tree, path)) });
    await rm(tree, { recursive: true });
  }
  return files;
}

/**
 * Puts the packages onto a drive. They are not compressed there: the host unpacks them in no time, the guest would take
 * minutes.
 */
async function collect(
  apt: PrivateApt,
  file: string,
  packages: readonly Fetched[],
  core: ReadonlySet<string>,
  onProgress: OnProgress,
): Promise<InstallPlan> {
  const drive = await PackageDrive.create(file);
  const totalBytes = sumOf(packages);
  const plan = { trees: [] as NamedPlace[], core: [] as NamedPlace[], rest: [] as NamedPlace[] };
  let doneBytes = 0;
  for (const { name, file: packageFile, byteLength } of packages) {
    onProgress({ stage: "collect", doneBytes, totalBytes });
    const { control, tree } = await apt.tars(packageFile);
    const deb = writeAr([
      { name: "debian-binary", content: DEB_VERSION },
      { name: "control.tar", content: control },
      { name: "data.tar", content: tree },
    ]);
    if (core.has(name)) {
      plan.core.push({ name, ...(await drive.add(deb)) });
      // It has the links /bin, /lib and /sbin, through which others' files go.
      plan.trees[name === "base-files" ? "unshift" : "push"]({ name, ...(await drive.add(tree)) });
    } else {
      plan.rest.push({ name, ...(await drive.add(deb)) });
    }
    doneBytes += byteLength;
  }
  await drive.close();
  return plan;
}

async function createSparse(file: string, byteLength: number): Promise<void> {
  const handle = await open(file, "wx");
  await handle.truncate(byteLength);
  await handle.close();
}

/** Reads from the guest's lines how far it is: half of a package's bytes are done when it is unpacked, half at last. */
function progressReader(packages: readonly Fetched[], onProgress: OnProgress): (line: string) => void {
  const byteLengths = new Map(packages.map(({ name, byteLength }) => [name, byteLength]));
  const totalBytes = sumOf(packages);
  const seen = new Set<string>();
  let doneBytes = 0;
  onProgress({ stage: "install", doneBytes, totalBytes });
  return (line) => {
    const step = /^(Unpacking|Setting up) ([^ :]+)/.exec(line);
    if (step === null || seen.has(step[0])) return;
    seen.add(step[0]);
    doneBytes += (byteLengths.get(step[2]!) ?? 0) / 2;
    onProgress({ stage: "install", doneBytes, totalBytes });
  };
}
