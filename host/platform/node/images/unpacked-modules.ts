import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { normalizeModuleName, readModuleInfo } from "../../../images/module-info.js";
import type { KernelModule, ModuleLibrary } from "../../../images/modules.js";
import type { PrivateApt } from "./private-apt.js";

/** The modules of an unpacked kernel package: a directory such as /usr/lib/modules/6.12.0-riscv64. */
export class UnpackedModules implements ModuleLibrary {
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
