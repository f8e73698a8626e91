/** A folder of the host in the guest, used by the guest's own programs under Linux's own 9P client. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, test } from "vitest";
import { buildGuestProgram, GUEST_COMPILER, GUEST_LIBRARY } from "../guests/build.js";
import { viv } from "../platform/viv-process.js";
import { defaultImage, testEnvironment } from "./default-image.js";
import { needs } from "./requirements.js";

const base = mkdtempSync(join(tmpdir(), "viv-share-e2e-"));
afterAll(() => rmSync(base, { recursive: true }));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(base, "folder-"));
});

async function guest(
  command: string,
  ...options: string[]
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  return viv(["run", ...options, "--exec", command], { env: testEnvironment() });
}

const share = (...more: string[]) => ["--share", `${folder}:/mnt/work`, ...more];

test("share: the guest finds it mounted, and each side sees at once what the other does", async (context) => {
  await defaultImage(context);
  writeFileSync(join(folder, "from-host"), "hello\n");
  mkdirSync(join(folder, "directory"));
  symlinkSync("from-host", join(folder, "link"));
  const result = await guest(
    "cd /mnt/work && cat from-host link && ls -1 && echo more >> from-host && mkdir -m 750 made && echo x > made/file &&" +
      "chmod 4700 made/file && ln -s nowhere made/dangling && ln from-host made/same && mv link moved && rm -r directory",
    ...share(),
  );
  expect(result).toEqual({ status: 0, stdout: "hello\nhello\ndirectory\nfrom-host\nlink\n", stderr: "" });
  expect(readFileSync(join(folder, "from-host"), "latin1")).toBe("hello\nmore\n");
  expect(statSync(join(folder, "made")).mode & 0o7777).toBe(0o750);
  // No setuid: see host-attributes.ts.
  expect(statSync(join(folder, "made/file")).mode & 0o7777).toBe(0o700);
  expect(readlinkSync(join(folder, "made/dangling"))).toBe("nowhere");
  expect(statSync(join(folder, "made/same")).nlink).toBe(2);
  expect(readdirSync(folder).sort()).toEqual(["from-host", "made", "moved"]);
});

test("share: a read-only one is read and not written, even by whoever mounts it anew", async (context) => {
  await defaultImage(context);
  writeFileSync(join(folder, "file"), "kept\n");
  const result = await guest(
    "cd /mnt/work; cat file; echo x > file; mkdir d; mount -o remount,rw /mnt/work; echo x > file; rm -f file; cat file",
    ...["--share", `${folder}:/mnt/work,readonly`],
  );
  expect(result.stdout).toBe("kept\nkept\n");
  expect(result.stderr.match(/Read-only file system/g)).toHaveLength(4);
  expect(readFileSync(join(folder, "file"), "latin1")).toBe("kept\n");
});

test("share: by a mount tag it is mounted as any 9P folder of QEMU's is", async (context) => {
  await defaultImage(context);
  writeFileSync(join(folder, "file"), "tagged\n");
  const result = await guest(
    "ls /mnt; mount -t 9p -o trans=virtio,version=9p2000.L,msize=8192 host0 /mnt && cat /mnt/file && grep -c 9p /proc/mounts",
    ...["--share", `${folder}:host0`],
  );
  expect(result).toEqual({ status: 0, stdout: "tagged\n1\n", stderr: "" });
});

test("share: Linux's own programs find it to be a file system as its tmpfs is", async (context) => {
  needs(context, GUEST_COMPILER, GUEST_LIBRARY);
  await defaultImage(context);
  const tools = mkdtempSync(join(base, "tools-"));
  buildGuestProgram("filecheck", tools);
  const result = await guest(
    "mkdir /tmp/work && cd /tmp/work && /mnt/tools/filecheck > /tmp/expected; cd /mnt/work && /mnt/tools/filecheck > /tmp/found;" +
      "diff /tmp/expected /tmp/found && grep -c . /tmp/found && tail -n 1 /tmp/found",
    ...share("--share", `${tools}:/mnt/tools,readonly`),
  );
  expect(result.stderr).toBe("");
  expect(result.stdout).toMatch(/^1[34]\d\nexercised, \d+ bytes\n$/);
  // Who reads it here sees the same bytes.
  expect(statSync(join(folder, "exercised")).size).toBe(Number(/(\d+) bytes/.exec(result.stdout)![1]));
});

test("share: a tree of a hundred files goes through tar and cp -a unchanged, both ways", async (context) => {
  await defaultImage(context);
  const tree = join(folder, "tree");
  for (let index = 0; index < 100; index++) {
    const directory = join(tree, `d${index % 20}`);
    if (index < 20) mkdirSync(directory, { recursive: true });
    const file = join(directory, `file ${index}`);
    writeFileSync(file, `${index}\n`.repeat(index % 50));
    chmodSync(file, index % 3 === 0 ? 0o755 : 0o640);
  }
  symlinkSync("d1/file 1", join(tree, "link"));
  const result = await guest(
    "cd /mnt/work && cp -a tree copied && tar c tree | (mkdir untarred && cd untarred && tar x) && diff -r tree copied &&" +
      "diff -r tree untarred/tree && find tree | wc -l && rm -r tree",
    ...share(),
  );
  expect(result).toEqual({ status: 0, stdout: "122\n", stderr: "" });
  expect(existsSync(tree)).toBe(false);
  execFileSync("diff", ["-r", join(folder, "copied"), join(folder, "untarred/tree")]);
  for (const index of [3, 4]) {
    const copied = statSync(join(folder, `copied/d${index}/file ${index}`));
    const untarred = statSync(join(folder, `untarred/tree/d${index}/file ${index}`));
    expect(copied.mode & 0o777).toBe(index % 3 === 0 ? 0o755 : 0o640);
    expect(Math.floor(copied.mtimeMs / 1000)).toBe(Math.floor(untarred.mtimeMs / 1000));
  }
});

test("share: a folder that the host removes gives the guest errors, and the machine goes on", async (context) => {
  await defaultImage(context);
  writeFileSync(join(folder, "go"), "");
  mkdirSync(join(folder, "d"));
  writeFileSync(join(folder, "d/file"), "x");
  const running = guest(
    "cd /mnt/work/d; rm ../go; while [ -e file ]; do usleep 20000; done; cat file; echo x > new; ls ..; echo alive",
    ...share(),
  );
  while (existsSync(join(folder, "go"))) await new Promise((resolve) => setTimeout(resolve, 50));
  rmSync(folder, { recursive: true });
  const result = await running;
  expect(result.stdout).toBe("alive\n");
  expect(result.stderr).toMatch(/No such file or directory|Stale file handle/);
});
