import { cp, mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import { DEBIAN_SUITE } from "../../host/images/debian-mini.js";
import { cacheDirectory } from "../../host/platform/node/images/cache-directory.js";
import { PrivateApt } from "../../host/platform/node/images/private-apt.js";
import { runTool } from "../../host/platform/node/images/tool.js";

const LOADER = "usr/lib/ld-linux-riscv64-lp64d.so.1";
const LIBRARIES = "usr/lib/riscv64-linux-gnu";
const NEEDED = /\(NEEDED\).*\[(.+)\]/g;

/**
 * A directory with Debian's riscv64 programs of these names, each from the package called like it, and the libraries they
 * need. Made once and kept in the user's cache.
 *
 * @throws VivariumError when Debian's packages cannot be had
 */
export async function debianPrograms(names: readonly string[]): Promise<string> {
  const cache = join(cacheDirectory(process.env, homedir()), "bench");
  const directory = join(cache, `${names.join("-")}-${DEBIAN_SUITE}-3`);
  if (await isThere(directory)) return directory;
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, "fetch-"));
  try {
    const tree = join(work, "tree");
    await unpackPackages(names, work, tree);
    const files = new Map([[LOADER, LOADER]]);
    const libraries = await librariesOf(tree);
    for (const name of names) await addWithLibraries(tree, libraries, `usr/bin/${name}`, `usr/bin/${name}`, files);
    for (const [to, from] of files) {
      await mkdir(dirname(join(work, "programs", to)), { recursive: true });
      await cp(join(tree, from), join(work, "programs", to), { dereference: true });
    }
    await rename(join(work, "programs"), directory);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return directory;
}

/** The packages of these names, and those that they depend on. */
async function unpackPackages(names: readonly string[], work: string, tree: string): Promise<void> {
  const directory = join(work, "apt");
  await mkdir(directory);
  const mirror = process.env.VIV_DEBIAN_MIRROR;
  const apt = await PrivateApt.create({ directory, suite: DEBIAN_SUITE, architecture: "riscv64", mirror });
  await apt.update(() => {});
  const packages = await apt.showAll(await apt.plan(names));
  for (const file of await apt.download(packages)) await apt.unpack(file, tree);
}

/** Where each library is, for some are in directories of their own. */
async function librariesOf(tree: string): Promise<ReadonlyMap<string, string>> {
  const paths = await readdir(join(tree, LIBRARIES), { recursive: true });
  return new Map(paths.map((path) => [basename(path), join(LIBRARIES, path)]));
}

/** Adds a program or library, as `to` to `files`, and what it says that it needs. */
async function addWithLibraries(
  tree: string,
  libraries: ReadonlyMap<string, string>,
  from: string,
  to: string,
  files: Map<string, string>,
): Promise<void> {
  if (files.has(to)) return;
  files.set(to, from);
  const dynamic = (await runTool("riscv64-linux-gnu-readelf", ["--dynamic", join(tree, from)])).toString();
  for (const [, library] of dynamic.matchAll(NEEDED)) {
    const path = libraries.get(library!);
    if (path !== undefined) await addWithLibraries(tree, libraries, path, join(LIBRARIES, library!), files);
  }
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
