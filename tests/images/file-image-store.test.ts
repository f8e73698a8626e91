import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ImageProgress } from "../../host/images/image.js";
import { cacheDirectory } from "../../host/platform/node/images/cache-directory.js";
import { FileImageStore, type ImageBuilder } from "../../host/platform/node/images/file-image-store.js";
import type { ImageParts } from "../../host/platform/node/images/image-directory.js";
import { VivariumError } from "../../host/util/errors.js";

/** The least that is a RISC-V boot image: a header with its magic number. */
const KERNEL = Buffer.alloc(64);
KERNEL.write("RSC\x05", 0x38, "latin1");
const INITRD = Buffer.from("070701...");

const PARTS: ImageParts = {
  manifest: {
    name: "tiny",
    recipeVersion: 3,
    architecture: "riscv64",
    packages: [],
    commandLine: "quiet",
    execProtocol: 0,
  },
  kernel: KERNEL,
  initrd: INITRD,
};

/** Counts how often it builds. */
class TestBuilder implements ImageBuilder {
  readonly recipeVersion = 3;
  builds = 0;
  /** What happens while it works. */
  during: (workDirectory: string) => Promise<void> = async () => {};

  async build(workDirectory: string, onProgress: (progress: ImageProgress) => void): Promise<ImageParts> {
    this.builds++;
    expect(await readdir(workDirectory)).toEqual([]);
    await writeFile(join(workDirectory, "package"), "unpacked");
    onProgress({ stage: "packages", doneBytes: 1, totalBytes: 2 });
    await this.during(workDirectory);
    return PARTS;
  }
}

let directory: string;
let images: string;
let builder: TestBuilder;
let store: FileImageStore;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "vivarium-store-"));
  images = join(directory, "images");
  builder = new TestBuilder();
  store = new FileImageStore(images, new Map([["tiny", builder]]));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function errorOf(promise: Promise<unknown>): Promise<VivariumError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error instanceof VivariumError) return error;
  throw error ?? new Error("expected a failure");
}

test("image store: an image is built when it is first asked for, then kept", async () => {
  const stages: string[] = [];
  const built = await store.open("tiny", { onProgress: ({ stage }) => stages.push(stage) });
  expect(built.commandLine).toBe("quiet");
  expect(Buffer.from(built.kernel)).toEqual(KERNEL);
  expect(Buffer.from(built.initrd)).toEqual(INITRD);
  expect(stages).toEqual(["packages", "assemble", "assemble"]);

  stages.length = 0;
  expect(await store.open("tiny", { onProgress: ({ stage }) => stages.push(stage) })).toEqual(built);
  expect(builder.builds).toBe(1);
  expect(stages).toEqual([]);
});

test("image store: nothing but the image is left when it is built", async () => {
  await store.open("tiny");
  expect(await readdir(images)).toEqual(["tiny-3"]);
  expect((await readdir(join(images, "tiny-3"))).sort()).toEqual(["initrd", "kernel", "manifest.json"]);
});

test("image store: until an image is whole, nothing stands under its name", async () => {
  builder.during = async () => expect(await readdir(images)).not.toContain("tiny-3");
  await store.open("tiny");
});

test("image store: a builder that fails leaves nothing, and its error is the answer", async () => {
  builder.during = () => Promise.reject(new VivariumError("image/fetch", "no mirror"));
  expect((await errorOf(store.open("tiny"))).message).toBe("no mirror");
  expect(await readdir(images)).toEqual([]);
});

test("image store: of several that ask at once, one builds and the others wait for it", async () => {
  builder.during = () => new Promise((resolve) => setTimeout(resolve, 100));
  const others = [1, 2].map(() => new FileImageStore(images, new Map([["tiny", builder]])));
  const stages = new Set<string>();
  const opened = await Promise.all(
    [store, ...others].map((one) => one.open("tiny", { onProgress: ({ stage }) => stages.add(stage) })),
  );
  expect(builder.builds).toBe(1);
  expect(stages).toContain("waiting");
  for (const image of opened) expect(image).toEqual(opened[0]);
});

test("image store: an image that another builder has put there meanwhile does no harm", async () => {
  builder.during = async () => {
    builder.during = async () => {};
    await rm(join(images, "tiny-3.lock"));
    await new FileImageStore(images, new Map([["tiny", builder]])).open("tiny");
  };
  expect((await store.open("tiny")).manifest.name).toBe("tiny");
  expect(await readdir(images)).toEqual(["tiny-3"]);
});

test.each(["kernel", "initrd", "manifest.json"])(
  "image store: a damaged %s is noticed and built again",
  async (file) => {
    await store.open("tiny");
    const path = join(images, "tiny-3", file);
    const content = await readFile(path);
    content[content.length - 2]! ^= 1;
    await writeFile(path, content);
    await store.open("tiny");
    expect(builder.builds).toBe(2);
    expect(await readdir(images)).toEqual(["tiny-3"]);
  },
);

test("image store: an image of an older recipe is not used", async () => {
  await store.open("tiny");
  const newer = Object.assign(new TestBuilder(), { recipeVersion: 4 });
  await new FileImageStore(images, new Map([["tiny", newer]])).open("tiny");
  expect(newer.builds).toBe(1);
});

test("image store: the directory of an image will do in place of a name", async () => {
  await store.open("tiny");
  const nowhere = new FileImageStore(join(directory, "nowhere"), new Map());
  expect((await nowhere.open(join(images, "tiny-3"))).manifest.name).toBe("tiny");
});

test("image store: a name that is not known is answered with those that are", async () => {
  const error = await errorOf(store.open("tyni"));
  expect(error.message).toBe('no image is called "tyni": there is tiny, or give the directory of an image');
  expect(error.code).toBe("image/unknown");
});

test("image store: a directory without a manifest is no image", async () => {
  const error = await errorOf(store.open(directory));
  expect(error.message).toBe(`${directory}/manifest.json: no such file, so this is not the directory of an image`);
});

test.each([
  ["a kernel of another length", "kernel", Buffer.alloc(65), "it is 65 bytes long, the manifest says 64"],
  [
    "an initrd with other content",
    "initrd",
    Buffer.from("0707010.."),
    /its SHA-256 is [0-9a-f]{64}, the manifest says/,
  ],
])("image store: in a directory, %s is an error that names it", async (_, file, content, problem) => {
  await store.open("tiny");
  const path = join(images, "tiny-3", file);
  await writeFile(path, content);
  const error = await errorOf(store.open(join(images, "tiny-3")));
  expect(error.message.startsWith(`${path}: `)).toBe(true);
  expect(error.message).toMatch(problem);
});

test("image store: in a directory, a device in place of a file is refused and not read", async () => {
  await store.open("tiny");
  const path = join(images, "tiny-3", "initrd");
  await rm(path);
  await symlink("/dev/zero", path);
  expect((await errorOf(store.open(join(images, "tiny-3")))).message).toBe(`${path}: it is not a file`);
});

test("image store: in a directory, a kernel that is no RISC-V image is refused", async () => {
  const other = Object.assign(new TestBuilder(), { build: async () => ({ ...PARTS, kernel: Buffer.alloc(64) }) });
  const error = await errorOf(new FileImageStore(images, new Map([["tiny", other]])).open("tiny"));
  expect(error.message).toMatch(/kernel: expected an uncompressed RISC-V Linux Image$/);
});

test("image store: a cache that cannot be written leads to the variable that names another", async () => {
  await writeFile(join(directory, "file"), "");
  const blocked = new FileImageStore(join(directory, "file", "images"), new Map([["tiny", builder]]));
  const error = await errorOf(blocked.open("tiny"));
  expect(error.code).toBe("image/cache");
  expect(error.message).toMatch(/cannot be written \(ENOTDIR\): set VIV_CACHE_DIR to a directory that can/);
});

test("image store: a cache in a file system that makes no directories is told at once", async () => {
  const blocked = new FileImageStore("/proc/nope/deeper", new Map([["tiny", builder]]));
  expect((await errorOf(blocked.open("tiny"))).code).toBe("image/cache");
});

test("image store: what a builder that died has left is removed, what one at work has left is not", async () => {
  const abandoned = join(images, ".tiny-3.building-abc");
  const atWork = join(images, ".tiny-3.building-def");
  for (const path of [abandoned, atWork]) await mkdir(path, { recursive: true });
  const before = (minutes: number) => new Date(Date.now() - minutes * 60_000);
  await utimes(abandoned, before(10), before(10));
  const killed = join(images, ".tiny-3.building-ghi");
  await mkdir(killed);
  builder.during = () => utimes(killed, before(10), before(10));
  await store.open("tiny");
  expect((await readdir(images)).sort()).toEqual([".tiny-3.building-def", "tiny-3"]);
});

test("cache directory: VIV_CACHE_DIR, or else an absolute XDG_CACHE_HOME, or else ~/.cache", () => {
  expect(cacheDirectory({ VIV_CACHE_DIR: "/v", XDG_CACHE_HOME: "/x" }, "/home/u")).toBe("/v");
  expect(cacheDirectory({ VIV_CACHE_DIR: "", XDG_CACHE_HOME: "/x" }, "/home/u")).toBe("/x/vivarium");
  expect(cacheDirectory({ XDG_CACHE_HOME: "x" }, "/home/u")).toBe("/home/u/.cache/vivarium");
  expect(cacheDirectory({}, "/home/u")).toBe("/home/u/.cache/vivarium");
});

/** An image with a disk of its own, made only when asked for. */
class DiskBuilder extends TestBuilder {
  readonly isMadeOnRequest = true;
  readonly hasDisk = true;

  override async build(workDirectory: string, onProgress: (progress: ImageProgress) => void): Promise<ImageParts> {
    const parts = await super.build(workDirectory, onProgress);
    const diskFile = join(workDirectory, "disk");
    await writeFile(diskFile, Buffer.alloc(4096, 7));
    return { ...parts, diskFile };
  }
}

describe("image store: an image that is made on request", () => {
  let onRequest: DiskBuilder;

  beforeEach(() => {
    onRequest = new DiskBuilder();
    store = new FileImageStore(images, new Map([["large", onRequest]]));
  });

  test("is not made by starting it", async () => {
    await expect(store.open("large")).rejects.toThrow(
      'image large has not been built: "viv image build large" does that, which takes some minutes',
    );
    expect(onRequest.builds).toBe(0);
  });

  test("is made once, has its disk, and is made anew when that is wanted", async () => {
    const image = await store.build("large", {}, false);
    expect(await readFile(image.disk!)).toEqual(Buffer.alloc(4096, 7));
    expect((await store.open("large")).disk).toBe(image.disk);
    await store.build("large", {}, false);
    expect(onRequest.builds).toBe(1);
    await store.build("large", {}, true);
    expect(onRequest.builds).toBe(2);
  });

  test("is not taken for one with another disk, and one without a disk is given no length of it", async () => {
    await store.build("large", { diskByteLength: 4096 }, false);
    await store.build("large", { diskByteLength: 4096 }, false);
    await expect(store.build("large", { diskByteLength: 8192 }, false)).rejects.toThrow(
      "image large is there already, with a disk of 4KiB: --force makes it anew",
    );
    expect(onRequest.builds).toBe(1);
    const without = new FileImageStore(images, new Map([["tiny", builder]]));
    const error = await errorOf(without.build("tiny", { diskByteLength: 4096 }, false));
    expect([error.code, error.message]).toEqual(["image/size", "--size: image tiny has no disk"]);
  });

  test("whose disk is gone or cut is not there", async () => {
    const image = await store.build("large", {}, false);
    await writeFile(image.disk!, "short");
    await expect(store.open("large")).rejects.toThrow("has not been built");
    await rm(image.disk!);
    await expect(store.open("large")).rejects.toThrow("has not been built");
  });

  test("is listed with what it takes, and gone when it is removed", async () => {
    expect(await store.list()).toMatchObject([{ name: "large", state: "not built" }]);
    await store.build("large", {}, false);
    expect(await store.list()).toMatchObject([{ name: "large", state: "built", diskByteLength: 4096 }]);
    await store.remove("large");
    expect(await store.list()).toMatchObject([{ name: "large", state: "not built" }]);
    await expect(store.remove("large")).rejects.toThrow('no image "large" is in');
  });

  test("can be imported under another name", async () => {
    const image = await store.build("large", {}, false);
    await store.import("mine", dirname(image.disk!));
    expect((await store.open("mine")).disk).toContain("mine");
    expect((await store.list()).map(({ name, state }) => [name, state])).toEqual([
      ["large", "built"],
      ["mine", "imported"],
    ]);
    await expect(store.open("theirs")).rejects.toThrow("there is large, mine, or give");
    await expect(store.import("mine", dirname(image.disk!))).rejects.toThrow("image mine is there already");
    await store.remove("mine");
    await expect(store.open("mine")).rejects.toThrow('no image is called "mine"');
  });

  test("is imported with the files that its manifest names, and what its disk has never held takes no room", async () => {
    const image = await store.build("large", {}, false);
    const source = dirname(image.disk!);
    const byteLength = 64 << 20;
    await truncate(image.disk!, byteLength);
    const manifest = join(source, "manifest.json");
    await writeFile(manifest, (await readFile(manifest, "utf8")).replace(/4096/, String(byteLength)));
    await writeFile(join(source, "diary"), "not part of it");
    await store.import("mine", source);
    const { disk } = await store.open("mine");
    expect(await readdir(dirname(disk!))).toHaveLength(4);
    expect((await stat(disk!)).blocks * 512).toBeLessThan(1 << 20);
    expect((await readFile(disk!)).equals(await readFile(image.disk!))).toBe(true);
  });

  test("that cannot be written where it is imported is one line", async () => {
    const image = await store.build("large", {}, false);
    const elsewhere = new FileImageStore("/dev/null/images", new Map());
    expect((await errorOf(elsewhere.import("mine", dirname(image.disk!)))).code).toBe("image/cache");
  });

  test.each(["large", "../x", "a/b", "", ".hidden"])("cannot be imported as %j", async (name) => {
    const image = await store.build("large", {}, false);
    await expect(store.import(name, dirname(image.disk!))).rejects.toThrow("cannot be an image's name");
  });

  test("what is no image is not imported", async () => {
    await expect(store.import("mine", directory)).rejects.toThrow("this is not the directory of an image");
    expect((await store.list()).map(({ name }) => name)).toEqual(["large"]);
  });
});
