import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createQcow2 } from "../../host/storage/qcow2/create-qcow2.js";
import { openQcow2 } from "../../host/storage/qcow2/open-qcow2.js";
import { RawDisk } from "../../host/storage/raw.js";
import { type SyncAccessHandle, SyncAccessStore } from "../../host/storage/sync-access-store.js";
import { blockBackendContract } from "../contracts/block-backend-contract.js";

const directory = mkdtempSync(join(tmpdir(), "viv-sync-access-"));
afterAll(() => rmSync(directory, { recursive: true }));

let count = 0;

/** A handle as browsers have it, on a file of this host. @param room bytes that it may be long */
function handle(contents: Uint8Array, room = Number.POSITIVE_INFINITY): SyncAccessHandle {
  const fd = openSync(join(directory, `${count++}`), "wx+");
  writeSync(fd, contents);
  return {
    getSize: () => fstatSync(fd).size,
    read: (into, { at }) => readSync(fd, into, 0, into.length, at),
    write: (from, { at }) => {
      const length = Math.min(from.length, Math.max(0, room - at));
      return length === 0 ? 0 : writeSync(fd, from, 0, length, at);
    },
    truncate: (byteLength) => ftruncateSync(fd, byteLength),
    flush: () => fsyncSync(fd),
    close: () => closeSync(fd),
  };
}

blockBackendContract("raw in a browser's private file", {
  create: async (contents, { readOnly }) => new RawDisk(new SyncAccessStore(handle(contents), { readOnly })),
});

blockBackendContract("qcow2 in a browser's private file", {
  create: async (contents, { readOnly }) => {
    const store = new SyncAccessStore(handle(new Uint8Array()));
    const openBacking = () => Promise.reject(new Error("no backing file was expected"));
    await createQcow2(store, { byteLength: contents.length });
    const disk = await openQcow2(store, { readOnly: false, openBacking });
    await disk.write(0, contents);
    await disk.flush();
    return readOnly ? openQcow2(store, { readOnly, openBacking }) : disk;
  },
});

test("sync access store: what is skipped beyond the end reads as zeros", async () => {
  const store = new SyncAccessStore(handle(new Uint8Array(512).fill(1)));
  await store.write(2048, new Uint8Array(512).fill(2));
  const into = new Uint8Array(store.byteLength);
  await store.read(0, into);
  expect([into.length, into[511], into[512], into[2047], into[2048]]).toEqual([2560, 1, 0, 0, 2]);
});

test("sync access store: a write that there is no room for fails", async () => {
  const store = new SyncAccessStore(handle(new Uint8Array(512), 1024));
  await store.write(512, new Uint8Array(512));
  await expect(store.write(1024, new Uint8Array(512))).rejects.toThrow("no room");
});
