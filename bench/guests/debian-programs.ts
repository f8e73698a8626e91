import { cp, mkdir, mkdtemp, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { DEBIAN_SUITE } from "../../host/images/debian-mini.js";
import { cacheDirectory } from "../../host/platform/node/images/cache-directory.js";
import { PrivateApt } from "../../host/platform/node/images/private-apt.js";

/** Debian's git and what it needs to say what has changed. */
const PACKAGES = ["git", "libc6", "libpcre2-8-0", "zlib1g"];
const FILES = [
  "usr/bin/git",
  "usr/lib/ld-linux-riscv64-lp64d.so.1",
  "usr/lib/riscv64-linux-gnu/libc.so.6",
  "usr/lib/riscv64-linux-gnu/libpcre2-8.so.0",
  "usr/lib/riscv64-linux-gnu/libz.so.1",
];

/**
 * A directory with riscv64 programs of Debian's, made once and kept in the user's cache.
 *
 * @throws VivariumError when Debian's packages cannot be had
 */
export async function debianPrograms(): Promise<string> {
  const cache = join(cacheDirectory(process.env, homedir()), "bench");
  const directory = join(cache, `git-${DEBIAN_SUITE}`);
  if (await isDirectory(directory)) return directory;
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, "fetch-"));
  try {
    const aptDirectory = join(work, "apt");
    await mkdir(aptDirectory);
    const mirror = process.env.VIV_DEBIAN_MIRROR;
    const apt = await PrivateApt.create({
      directory: aptDirectory,
      suite: DEBIAN_SUITE,
      architecture: "riscv64",
      mirror,
    });
    await apt.update(() => {});
    const packages = await Promise.all(PACKAGES.map((name) => apt.show(name)));
    for (const file of await apt.download(packages)) await apt.unpack(file, join(work, "tree"));
    for (const file of FILES) {
      await mkdir(dirname(join(work, "programs", file)), { recursive: true });
      await cp(join(work, "tree", file), join(work, "programs", file), { dereference: true });
    }
    await rename(join(work, "programs"), directory);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return directory;
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
