import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readDrive } from "../../host/control/drive-options.js";
import { closeDrives, openDisk, openDrives, openOverlay } from "../../host/platform/node/drives.js";
import { FileStore } from "../../host/platform/node/file-store.js";
import { MemoryStore } from "../../host/storage/memory-store.js";
import { createQcow2 } from "../../host/storage/qcow2/create-qcow2.js";
import { blockBackendContract } from "../contracts/block-backend-contract.js";
import { defaultImage, testEnvironment } from "../e2e/default-image.js";
import { VIV } from "./viv-process.js";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "viv-drive-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

function disk(name: string, byteLength: number): string {
  const file = join(directory, name);
  writeFileSync(file, new Uint8Array(byteLength).fill(0x55));
  return file;
}

/** A qcow2 image of 1 MiB over the file that it names. */
async function overlay(name: string, backing: { readonly file: string; readonly format: string }): Promise<string> {
  const file = join(directory, name);
  const store = new MemoryStore();
  await createQcow2(store, { byteLength: 1 << 20, backing });
  const image = new Uint8Array(store.byteLength);
  await store.read(0, image);
  writeFileSync(file, image);
  return file;
}

const open = (...texts: string[]) => openDrives(texts.map(readDrive));

let count = 0;
blockBackendContract("file", {
  create: async (contents, { readOnly }) => {
    const file = join(directory, `contract-${count++}.img`);
    writeFileSync(file, contents);
    return openDisk(file, { readOnly });
  },
});

blockBackendContract("file with a snapshot", {
  create: async (contents, { readOnly }) => {
    const file = join(directory, `contract-${count++}.img`);
    writeFileSync(file, contents);
    return openDisk(file, readOnly ? { readOnly } : { snapshot: true });
  },
});

describe("raw files", () => {
  test("what is written is in the file, at its offset", async () => {
    const file = disk("written.img", 4096);
    const backend = await openDisk(file);
    await backend.write(1024, new Uint8Array(512).fill(0xaa));
    await backend.flush();
    await backend.close();
    const contents = readFileSync(file);
    expect(contents.length).toBe(4096);
    expect(contents.subarray(1024, 1536).every((byte) => byte === 0xaa)).toBe(true);
    expect(contents.filter((byte) => byte === 0x55).length).toBe(4096 - 512);
  });

  test("zeroes longer than one write are all zero, and nothing beyond them", async () => {
    const file = disk("zeroes.img", 1024 * 1024);
    const backend = await openDisk(file);
    await backend.writeZeroes(512, 1024 * 1024 - 1024, true);
    await backend.close();
    const contents = readFileSync(file);
    expect(contents.filter((byte) => byte !== 0).length).toBe(1024);
    expect(contents[511]).toBe(0x55);
    expect(contents[1024 * 1024 - 512]).toBe(0x55);
  });

  test("zeroes that may unmap leave the holes of a sparse file", async () => {
    const file = disk("sparse.img", 512);
    truncateSync(file, 64 << 20);
    const backend = await openDisk(file);
    await backend.writeZeroes(0, 64 << 20, true);
    await backend.close();
    expect(readFileSync(file)[0]).toBe(0);
    expect(statSync(file).blocks * 512).toBeLessThan(1 << 20);
  });

  test("a file cut short behind our back fails the read, and the disk goes on", async () => {
    const file = disk("cut.img", 4096);
    const backend = await openDisk(file);
    truncateSync(file, 1024);
    await expect(backend.read(2048, new Uint8Array(512))).rejects.toThrow("shorter than 4096 bytes");
    await backend.read(0, new Uint8Array(512));
    await backend.close();
  });

  test("a file that is removed stays the disk's until it is closed", async () => {
    const file = disk("removed.img", 4096);
    const backend = await openDisk(file);
    unlinkSync(file);
    await backend.write(0, new Uint8Array(512).fill(1));
    const into = new Uint8Array(512);
    await backend.read(0, into);
    expect(into[0]).toBe(1);
    await backend.flush();
    await backend.close();
  });

  test("closing waits for what is on its way", async () => {
    const file = disk("closing.img", 1 << 20);
    const store = await FileStore.open(file, { readOnly: false });
    const written = store.write(0, new Uint8Array(1 << 20).fill(7));
    await store.close();
    await written;
    expect(readFileSync(file).every((byte) => byte === 7)).toBe(true);
  });

  test("with snapshot the file stays as it is", async () => {
    const file = disk("snapshot.img", 16384);
    const backend = await openDisk(file, { snapshot: true });
    await backend.write(4096 + 512, new Uint8Array(512).fill(1));
    const into = new Uint8Array(4096);
    await backend.read(4096, into);
    expect([into[511], into[512], into[1024]]).toEqual([0x55, 1, 0x55]);
    await backend.close();
    expect(readFileSync(file).every((byte) => byte === 0x55)).toBe(true);
  });
});

describe("what cannot be a disk is refused by the drive's name", () => {
  test.each([
    ["of part of a sector", "odd.img", 1000, "odd.img is 1000 bytes long; expected a multiple of 512 bytes"],
    ["an empty file", "none.img", 0, "none.img is empty; expected a multiple of 512 bytes"],
  ])("%s", async (_what, name, byteLength, message) => {
    await expect(open(disk(name, byteLength))).rejects.toThrow(`disk0: ${directory}/${message}`);
  });

  test("directories, devices and names of nothing", async () => {
    await expect(open(directory)).rejects.toThrow(`disk0: ${directory} is a directory; expected a disk image`);
    await expect(open("/dev/null")).rejects.toThrow("disk0: /dev/null is no regular file; expected a disk image");
    await expect(open(join(directory, "absent"))).rejects.toThrow("absent does not exist; expected a disk image");
  });
});

describe("one file is not two disks when one of them writes", () => {
  test("under another name either", async () => {
    const file = disk("shared.img", 1024);
    const link = join(directory, "link.img");
    symlinkSync(file, link);
    const message = `disk1: ${link} is disk0 already; expected another file, or both readonly`;
    await expect(open(file, `${link},readonly`)).rejects.toThrow(message);
    await expect(open(`${file},readonly`, file)).rejects.toThrow("is disk0 already");
    for (const how of ["readonly", "snapshot"]) {
      const both = await open(`${file},${how}`, `${link},${how}`);
      expect(both).toHaveLength(2);
      await closeDrives(both);
    }
  });

  test("as a backing file either", async () => {
    const base = disk("base-of-one.img", 1024);
    const top = await overlay("top.qcow2", { file: "base-of-one.img", format: "raw" });
    await expect(open(base, top)).rejects.toThrow(`disk1: ${top} is disk0 already`);
    await expect(open(top, base)).rejects.toThrow(`disk1: ${base} is disk0 already`);
  });
});

describe("formats", () => {
  test("a raw disk that begins like another image is not taken for one, nor for raw", async () => {
    const file = await overlay("guest-wrote-this.img", { file: "/etc/passwd", format: "raw" });
    await expect(openDisk(file)).rejects.toThrow(
      "begins as a qcow2 image, but is not called so; expected format=qcow2, or format=raw",
    );
    const raw = await openDisk(file, { format: "raw" });
    expect(raw.byteLength).toBe(statSync(file).size);
    await raw.close();
  });

  test("a file called as another format than it has is refused", async () => {
    await expect(openDisk(disk("raw.qcow2", 1024))).rejects.toThrow(
      "is called a qcow2 image, but does not begin as one; expected format=raw, or another file",
    );
    await expect(openDisk(disk("raw.img", 1024), { format: "qcow2" })).rejects.toThrow("raw.img is no qcow2 image");
  });
});

describe("files that an image names", () => {
  test.each([
    ["by an absolute path", "/etc/hostname"],
    ["by a path upwards", "../../../../../../etc/hostname"],
    ["by a protocol of QEMU's", "nbd://localhost/disk"],
    ["as JSON", 'json:{"driver":"file","filename":"/etc/hostname"}'],
    ["in a directory below", "below/base.img"],
  ])("outside of its directory are refused %s", async (_how, file) => {
    const top = await overlay("outside.qcow2", { file, format: "raw" });
    await expect(openDisk(top)).rejects.toThrow(
      `lies over ${JSON.stringify(file)}, which is not in the directory of the image; expected backing=any to allow that`,
    );
  });

  test("through a link out of its directory are refused, and let in when the operator says so", async () => {
    mkdirSync(join(directory, "elsewhere"));
    const secret = disk("elsewhere/secret.img", 1024);
    symlinkSync(secret, join(directory, "innocent.img"));
    const top = await overlay("linked.qcow2", { file: "innocent.img", format: "raw" });
    await expect(openDisk(top)).rejects.toThrow("which is not in the directory of the image");
    const allowed = await openDisk(top, { backing: "any" });
    const into = new Uint8Array(1024);
    await allowed.read(0, into);
    expect(into.every((byte) => byte === 0x55)).toBe(true);
    await allowed.close();
  });

  test("must have a format that the image says", async () => {
    disk("plain.img", 1024);
    const top = await overlay("formatless.qcow2", { file: "plain.img", format: "" });
    await expect(openDisk(top)).rejects.toThrow('says the unknown format "" for its backing file "plain.img"');
  });

  test("must not lie over themselves", async () => {
    const top = await overlay("ouroboros.qcow2", { file: "ouroboros.qcow2", format: "qcow2" });
    await expect(openDisk(top, { readOnly: true })).rejects.toThrow("lies over");
    await expect(open(top)).rejects.toThrow("lies over");
  });

  test("are told of by name when they are missing", async () => {
    const top = await overlay("orphan.qcow2", { file: "gone.img", format: "raw" });
    await expect(openDisk(top)).rejects.toThrow("gone.img does not exist; expected a disk image");
  });
});

describe("an image that another program uses", () => {
  const holder = (file: string, drive: string) =>
    new Promise<ReturnType<typeof spawn>>((resolve) => {
      const child = spawn(
        process.execPath,
        [VIV, "run", "--cold", "--drive", `${file}${drive}`, "--exec", "echo up; sleep 60"],
        {
          env: testEnvironment(),
          stdio: ["ignore", "pipe", "inherit"],
        },
      );
      child.stdout.once("data", () => resolve(child));
    });
  const ended = (child: ReturnType<typeof spawn>) => new Promise((resolve) => child.once("exit", resolve));

  test("is refused while that one writes it, and is free when that one was killed", {
    timeout: 60_000,
  }, async (context) => {
    await defaultImage(context);
    const file = disk("locked.img", 1 << 20);
    const writer = await holder(file, ",format=raw");
    for (const how of ["", ",readonly", ",snapshot"]) {
      await expect(open(`${file},format=raw${how}`)).rejects.toThrow(
        new RegExp(`^disk0: ${file}: process ${writer.pid} has it open since .*; expected another file, or readonly`),
      );
    }
    writer.kill("SIGKILL");
    await ended(writer);
    await closeDrives(await open(`${file},format=raw`));
    expect(existsSync(`${file}.lock`)).toBe(false);
  });

  test("may be read by several", { timeout: 60_000 }, async (context) => {
    await defaultImage(context);
    const file = disk("shared.img", 1 << 20);
    const reader = await holder(file, ",format=raw,readonly");
    await closeDrives(await open(`${file},format=raw,readonly`));
    reader.kill("SIGKILL");
    await ended(reader);
  });

  test("may be written where no lock can be made beside it, such as for the length of its name", async () => {
    const file = disk("x".repeat(255), 4096);
    await closeDrives(await open(`${file},format=raw`));
  });
});

describe("a disk that keeps what is written to an image's", () => {
  test("is made over it, has what was written before, and goes with no other", async () => {
    const [base, other] = ["base.img", "other.img"].map((name) => disk(name, 1 << 20));
    const file = join(directory, "kept.qcow2");
    const first = await openOverlay(base!, file);
    await first.write(4096, new Uint8Array(512).fill(7));
    await first.close();
    const second = await openOverlay(base!, file);
    const read = new Uint8Array(1024);
    await second.read(4096, read);
    expect([read[0], read[512]]).toEqual([7, 0x55]);
    await second.close();
    expect(readFileSync(base!).every((byte) => byte === 0x55)).toBe(true);

    await expect(openOverlay(other!, file)).rejects.toThrow(
      `disk: ${file} lies over ${base}, expected the image that it was begun with: viv run ${directory} --disk ${file}`,
    );
    unlinkSync(base!);
    await expect(openOverlay(other!, file)).rejects.toThrow(`lies over ${base}, which is not there any more`);
    expect(readFileSync(other!).every((byte) => byte === 0x55)).toBe(true);
  });
});
