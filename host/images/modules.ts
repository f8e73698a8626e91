/** Finds the kernel modules a guest needs, and writes the tables that its `modprobe` loads them by. */

import { VivariumError } from "../util/errors.js";
import { type ModuleInfo, normalizeModuleName } from "./module-info.js";

export interface KernelModule extends ModuleInfo {
  /** Where it stands under /lib/modules/RELEASE: `kernel/drivers/block/virtio_blk.ko`. */
  readonly path: string;
  /** The uncompressed module file. */
  readonly content: Uint8Array;
}

/** The modules of one kernel. */
export interface ModuleLibrary {
  /** The module of that normalized name, or null when there is none. */
  find(name: string): Promise<KernelModule | null>;
  /** Whether the kernel itself contains it. */
  isBuiltIn(name: string): boolean;
}

/**
 * The modules named and all that they depend on, each once, in an order in which they can be loaded.
 *
 * @throws VivariumError "image/module" when one is missing, or depends on itself
 */
export async function collectModules(names: readonly string[], library: ModuleLibrary): Promise<KernelModule[]> {
  const collected = new Map<string, KernelModule>();
  const open: string[] = [];

  const collect = async (name: string, neededBy: string): Promise<void> => {
    if (collected.has(name) || library.isBuiltIn(name)) return;
    if (open.includes(name)) {
      throw new VivariumError("image/module", `kernel module ${name} depends on itself`, { module: name });
    }
    const module = await library.find(name);
    if (module === null) {
      throw new VivariumError("image/module", `the kernel has no module ${name}, which ${neededBy} needs`, {
        module: name,
      });
    }
    open.push(name);
    for (const dependency of module.depends) await collect(dependency, `module ${name}`);
    open.pop();
    collected.set(name, module);
  };

  for (const name of names) await collect(normalizeModuleName(name), "the image");
  return [...collected.values()];
}

/**
 * The text of modules.dep: a line for each module with all it depends on, directly or not; to load it, load the line
 * from right to left.
 *
 * @param modules in load order and complete, as `collectModules` returns them
 */
export function formatModulesDep(modules: readonly KernelModule[]): string {
  const lines = modules.map((module) => {
    const needed = dependenciesOf(module, modules);
    const paths = modules.filter((other) => needed.has(other.name)).map((other) => other.path);
    return [`${module.path}:`, ...paths.reverse()].join(" ");
  });
  return lines.map((line) => `${line}\n`).join("");
}

function dependenciesOf(module: KernelModule, modules: readonly KernelModule[]): Set<string> {
  const needed = new Set<string>(module.depends);
  // Load order puts what is needed first: walking it backwards meets every module after all that need it.
  for (const other of [...modules].reverse()) {
    if (needed.has(other.name)) for (const dependency of other.depends) needed.add(dependency);
  }
  return needed;
}

/** The text of modules.alias: which module is for which device or service. */
export function formatModulesAlias(modules: readonly KernelModule[]): string {
  return modules.flatMap(({ aliases, name }) => aliases.map((alias) => `alias ${alias} ${name}\n`)).join("");
}
