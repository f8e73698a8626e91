import { mkdir, readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { AGENT_PROTOCOL_VERSION } from "../../../guest-agent/protocol.js";
import {
  BUSYBOX_PACKAGE,
  buildDebianMiniInitrd,
  DEBIAN_MINI_COMMAND_LINE,
  DEBIAN_MINI_MODULES,
  DEBIAN_MINI_RECIPE_VERSION,
  DEBIAN_SUITE,
  KERNEL_META_PACKAGE,
  KERNEL_PACKAGE_PREFIX,
} from "../../../images/debian-mini.js";
import type { ImageProgress } from "../../../images/image.js";
import { DEBIAN_MINI } from "../../../images/image-names.js";
import { requireKernelImage } from "../../../images/kernel-image.js";
import { normalizeModuleName, readModuleInfo } from "../../../images/module-info.js";
import { collectModules, type KernelModule, type ModuleLibrary } from "../../../images/modules.js";
import { VivariumError } from "../../../util/errors.js";
import type { ImageBuilder } from "./file-image-store.js";
import type { ImageParts } from "./image-directory.js";
import { type DebianPackage, PrivateApt } from "./private-apt.js";

const ARCHITECTURE = "riscv64";

/** Makes `debian-mini` of the packages of a Debian mirror. */
export class DebianMiniBuilder implements ImageBuilder {
  readonly recipeVersion = DEBIAN_MINI_RECIPE_VERSION;
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

/** The modules of an unpacked kernel package: a directory such as /usr/lib/modules/6.12.0-riscv64. */
class UnpackedModules implements ModuleLibrary {
  readonly #root: string;
  readonly #apt: PrivateApt;
  /** Paths below the root, by normalized module name. */
  readonly #files: ReadonlyMap<string, string>;
  readonly #builtIn: ReadonlySet<string>;

  private constructor(root: string, apt: PrivateApt, files: ReadonlyMap<string, string>, builtIn: ReadonlySet<string>) {
    this.#root = root;
    this.#apt = apt;
    this.#files = files;
    this.#builtIn = builtIn;
  }

  static async open(root: string, apt: PrivateApt): Promise<UnpackedModules> {
    const isModule = (path: string): boolean => /\.ko(\.[a-z0-9]+)?$/.test(path);
    const files = (await readdir(join(root, "kernel"), { recursive: true })).filter(isModule);
    const builtIn = (await readFile(join(root, "modules.builtin"), "latin1")).split("\n").filter(isModule);
    return new UnpackedModules(
      root,
      apt,
      new Map(files.map((path) => [moduleNameOf(path), join("kernel", path)])),
      new Set(builtIn.map(moduleNameOf)),
    );
  }

  async find(name: string): Promise<KernelModule | null> {
    const file = this.#files.get(name);
    if (file === undefined) return null;
    const content = await this.#apt.readCompressed(join(this.#root, file));
    return { ...readModuleInfo(content, file), path: file.replace(/\.ko\..*$/, ".ko"), content };
  }

  isBuiltIn(name: string): boolean {
    return this.#builtIn.has(name);
  }
}

function moduleNameOf(path: string): string {
  return normalizeModuleName(basename(path).replace(/\.ko(\..*)?$/, ""));
}
