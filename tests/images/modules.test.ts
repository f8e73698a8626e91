import fc from "fast-check";
import { expect, test } from "vitest";
import {
  collectModules,
  formatModulesAlias,
  formatModulesDep,
  type KernelModule,
  type ModuleLibrary,
} from "../../host/images/modules.js";

function library(dependencies: Readonly<Record<string, readonly string[]>>, builtIn: string[] = []): ModuleLibrary {
  return {
    isBuiltIn: (name) => builtIn.includes(name),
    async find(name): Promise<KernelModule | null> {
      const depends = Object.hasOwn(dependencies, name) ? dependencies[name] : undefined;
      if (depends === undefined) return null;
      return { name, depends, aliases: [], path: `kernel/${name}.ko`, content: new Uint8Array() };
    },
  };
}

test("modules: what a module needs is loaded before it, and each once", async () => {
  const modules = await collectModules(
    ["9p", "9pnet_virtio"],
    library({ "9p": ["9pnet", "netfs"], "9pnet_virtio": ["9pnet"], "9pnet": ["netfs"], netfs: [] }),
  );
  expect(modules.map((module) => module.name)).toEqual(["netfs", "9pnet", "9p", "9pnet_virtio"]);
});

test("modules: dashes and underscores are the same, and what the kernel contains is left out", async () => {
  const modules = await collectModules(["virtio-rng"], library({ virtio_rng: ["rng_core"] }, ["rng_core"]));
  expect(modules.map((module) => module.name)).toEqual(["virtio_rng"]);
});

test("modules: a missing dependency is named with the module that needs it", async () => {
  await expect(collectModules(["ext4"], library({ ext4: ["jbd2"] }))).rejects.toThrow(
    "the kernel has no module jbd2, which module ext4 needs",
  );
});

test("modules: a circle of dependencies is an error, not an endless walk", async () => {
  await expect(collectModules(["a"], library({ a: ["b"], b: ["a"] }))).rejects.toThrow("module a depends on itself");
});

test("modules: modules.dep lists everything needed, so that loading from right to left works", async () => {
  const modules = await collectModules(["ext4"], library({ ext4: ["jbd2", "crc16"], jbd2: ["crc16"], crc16: [] }));
  expect(formatModulesDep(modules)).toBe(
    [
      "kernel/crc16.ko:\n",
      "kernel/jbd2.ko: kernel/crc16.ko\n",
      "kernel/ext4.ko: kernel/jbd2.ko kernel/crc16.ko\n",
    ].join(""),
  );
});

test("modules: modules.alias names a module for each alias", () => {
  const base = { depends: [], path: "", content: new Uint8Array() };
  const modules = [
    { ...base, name: "virtio_blk", aliases: ["virtio:d00000002v*"] },
    { ...base, name: "ext4", aliases: ["fs-ext4", "ext3"] },
  ];
  expect(formatModulesAlias(modules)).toBe(
    "alias virtio:d00000002v* virtio_blk\nalias fs-ext4 ext4\nalias ext3 ext4\n",
  );
});

/** Dependencies without circles: each module needs only some of those with smaller numbers. */
const acyclic = fc
  .integer({ min: 1, max: 12 })
  .chain((count) => fc.tuple(...Array.from({ length: count }, (_, n) => fc.subarray([...Array(n).keys()]))))
  .map((lists) => Object.fromEntries(lists.map((list, n) => [`m${n}`, list.map((other) => `m${other}`)])));

test("modules: for any dependencies, both the load order and every line of modules.dep satisfy them all", async () => {
  await fc.assert(
    fc.asyncProperty(acyclic, async (dependencies) => {
      const modules = await collectModules(Object.keys(dependencies).reverse(), library(dependencies));
      expectLoadable(
        modules.map((module) => module.name),
        dependencies,
      );
      for (const line of formatModulesDep(modules).trimEnd().split("\n")) {
        const paths = line.replace(":", "").split(" ").reverse();
        expectLoadable(
          paths.map((path) => path.slice("kernel/".length, -".ko".length)),
          dependencies,
        );
      }
    }),
  );
});

function expectLoadable(order: readonly string[], dependencies: Readonly<Record<string, readonly string[]>>): void {
  const loaded = new Set<string>();
  for (const name of order) {
    expect(loaded).not.toContain(name);
    for (const needed of dependencies[name]!) expect(loaded).toContain(needed);
    loaded.add(name);
  }
}
