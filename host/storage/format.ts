import { dataView } from "../util/bytes.js";
import { VivariumError } from "../util/errors.js";
import type { ByteStore } from "./byte-store.js";
import { QCOW2_MAGIC } from "./qcow2/header.js";

/** How an image holds a disk. */
export type DiskFormat = "raw" | "qcow2" | "vmdk" | "vhdx";
export const DISK_FORMATS: readonly DiskFormat[] = ["raw", "qcow2", "vmdk", "vhdx"];

/** How images of each format are commonly called. */
const EXTENSIONS: Readonly<Record<string, DiskFormat>> = { qcow2: "qcow2", qcow: "qcow2", vmdk: "vmdk", vhdx: "vhdx" };

/** "KDMV". */
const VMDK_SPARSE_MAGIC = 0x4b44_4d56;
const VMDK_DESCRIPTOR = "# Disk DescriptorFile";
const VHDX_SIGNATURE = "vhdxfile";

/**
 * The format of an image that nobody has named: what its name says and its beginning confirms.
 *
 * The beginning alone does not decide: a guest can write anything there, and the next start would take its raw disk for
 * an image that names other files of the host.
 *
 * @param name of the file, or its address
 * @throws VivariumError `disk/format` when name and beginning contradict each other
 */
export async function detectFormat(store: ByteStore, name: string): Promise<DiskFormat> {
  const head = new Uint8Array(Math.min(store.byteLength, 512));
  await store.read(0, head);
  const byContent = formatOf(head);
  const extension = /\.([a-z0-9]+)(?:[?#].*)?$/i.exec(name)?.[1]?.toLowerCase() ?? "";
  const byName = EXTENSIONS[extension] ?? "raw";
  if (byContent === byName) return byName;
  const problem =
    byName === "raw"
      ? `begins as a ${byContent} image, but is not called so; expected format=${byContent}, or format=raw`
      : `is called a ${byName} image, but does not begin as one; expected format=${byContent}, or another file`;
  throw new VivariumError("disk/format", problem);
}

function formatOf(head: Uint8Array): DiskFormat {
  const text = String.fromCharCode(...head.subarray(0, 64));
  const magic = head.length < 4 ? 0 : dataView(head).getUint32(0);
  if (magic === QCOW2_MAGIC) return "qcow2";
  if (text.startsWith(VHDX_SIGNATURE)) return "vhdx";
  const isVmdk = text.startsWith(VMDK_DESCRIPTOR) || magic === VMDK_SPARSE_MAGIC;
  return isVmdk ? "vmdk" : "raw";
}
