import { mkdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { AGENT_PROTOCOL_VERSION } from "../../../guest-agent/protocol.js";
import {
  BUSYBOX_PACKAGE,
  buildDebianMiniInitrd,
  DEBIAN_MINI_COMMAND_LINE,
  DEBIAN_MINI_MEMORY_MIB,
  DEBIAN_MINI_MODULES,
  DEBIAN_MINI_RECIPE_VERSION,
  DEBIAN_SUITE,
  KERNEL_META_PACKAGE,
  KERNEL_PACKAGE_PREFIX,
} from "../../../images/debian-mini.js";
import type { ImageProgress } from "../../../images/image.js";
import { DEBIAN_MINI } from "../../../images/image-names.js";
import { requireKernelImage } from "../../../images/kernel-image.js";
import { collectModules } from "../../../images/modules.js";
import { VivariumError } from "../../../util/errors.js";
import type { ImageBuilder } from "./file-image-store.js";
import type { ImageParts } from "./image-directory.js";
import { type DebianPackage, PrivateApt } from "./private-apt.js";
import { UnpackedModules } from "./unpacked-modules.js";

const ARCHITECTURE = "riscv64";

/** Makes `debian-mini` of the packages of a Debian mirror. */
export class DebianMiniBuilder implements ImageBuilder {
  readonly recipeVersion = DEBIAN_MINI_RECIPE_VERSION;
  readonly minimumMemoryMiB = DEBIAN_MINI_MEMORY_MIB;
  readonly #mirror: string | undefined;

  /** @param mirror the value of VIV_DEBIAN_MIRROR, if it is set */
  constructor(mirror: string | undefined) {
    this.#mirror = mirror;
  }

  async build(workDirectory: string, onProgress: (progress: ImageProgress) => void): Promise<ImageParts> {
    const packages = await this.#fetchPackages(workDirectory, onProgress);
    const [kernelTree, busyboxTree] = packages.trees;
    const kernelRelease = packages.kernel.name.slice("linux-image-".length);
    const kernelFile = join(kernelTree, "boot", `vmlinux-${kernelRelease}`);
    const kernel = await readFile(kernelFile);
    requireKernelImage(kernel, basename(kernelFile));
    const modules = await collectModules(
      DEBIAN_MINI_MODULES,
      await UnpackedModules.open(join(kernelTree, "usr/lib/modules", kernelRelease), packages.apt),
    );
    const busybox = await readFile(join(busyboxTree, "usr/bin/busybox"));
    return {
      manifest: {
        name: DEBIAN_MINI,
        recipeVersion: DEBIAN_MINI_RECIPE_VERSION,
        architecture: ARCHITECTURE,
        packages: [packages.kernel, packages.busybox].map(({ name, version, sha256 }) => ({ name, version, sha256 })),
        commandLine: DEBIAN_MINI_COMMAND_LINE,
        minimumMemoryMiB: this.minimumMemoryMiB,
        execProtocol: AGENT_PROTOCOL_VERSION,
      },
      kernel,
      initrd: buildDebianMiniInitrd({ kernelRelease, modules, busybox }),
    };
  }

  async #fetchPackages(workDirectory: string, onProgress: (progress: ImageProgress) => void): Promise<Fetched> {
    const aptDirectory = join(workDirectory, "apt");
    await mkdir(aptDirectory);
    const apt = await PrivateApt.create({
      directory: aptDirectory,
      suite: DEBIAN_SUITE,
      architecture: ARCHITECTURE,
      mirror: this.#mirror,
    });
    onProgress({ stage: "lists", doneBytes: 0, totalBytes: null });
    await apt.update((doneBytes, totalBytes) => onProgress({ stage: "lists", doneBytes, totalBytes }));

    const kernel = await apt.show(kernelPackageOf(await apt.show(KERNEL_META_PACKAGE)));
    const busybox = await apt.show(BUSYBOX_PACKAGE);
    const totalBytes = kernel.byteLength + busybox.byteLength;
    const files = await apt.download([kernel, busybox], (fraction) =>
      onProgress({ stage: "packages", doneBytes: Math.round(fraction * totalBytes), totalBytes }),
    );

    const trees: [string, string] = [join(workDirectory, "kernel"), join(workDirectory, "busybox")];
    onProgress({ stage: "unpack", doneBytes: 0, totalBytes });
    await apt.unpack(files[0]!, trees[0]);
    onProgress({ stage: "unpack", doneBytes: kernel.byteLength, totalBytes });
    await apt.unpack(files[1]!, trees[1]);
    onProgress({ stage: "unpack", doneBytes: totalBytes, totalBytes });
    return { apt, kernel, busybox, trees };
  }
}

interface Fetched {
  readonly apt: PrivateApt;
  readonly kernel: DebianPackage;
  readonly busybox: DebianPackage;
  /** Where kernel and busybox have been unpacked. */
  readonly trees: readonly [string, string];
}

/** The kernel package that the meta package stands for. */
function kernelPackageOf(meta: DebianPackage): string {
  const names = meta.depends.split(/[,|]/).map((dependency) => dependency.trim().split(/[\s(]/)[0] ?? "");
  const kernel = names.find((name) => name.startsWith(KERNEL_PACKAGE_PREFIX));
  if (kernel !== undefined) return kernel;
  const message = `${meta.name} ${meta.version}: expected it to depend on a package ${KERNEL_PACKAGE_PREFIX}*, got ${JSON.stringify(meta.depends)}`;
  throw new VivariumError("image/package", message, { name: meta.name });
}
