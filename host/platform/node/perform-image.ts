import { performance } from "node:perf_hooks";
import type { ImageAction } from "../../control/actions.js";
import { formatByteLength, MIB } from "../../control/byte-length.js";
import { signalStatus } from "../../control/guest-end.js";
import { ImageProgressReport } from "../../control/image-progress.js";
import type { Image, OpenImageOptions } from "../../images/image.js";
import { unreachable } from "../../util/errors.js";
import type { ImageListing } from "./images/file-image-store.js";
import { imageStore } from "./images/open-image.js";
import type { Output } from "./output.js";
import { listenForEnd } from "./process-end.js";

/** Does what was asked for with images. */
export async function performImage(action: ImageAction, stdout: Output, stderr: Output): Promise<void> {
  const store = imageStore();
  switch (action.action) {
    case "image-list":
      for (const line of formatListings(await store.list())) stdout.line(line);
      return;
    case "image-build": {
      const { name, diskByteLength, force } = action;
      await withProgress(name, stderr, (options) => store.build(name, { ...options, diskByteLength }, force));
      return;
    }
    case "image-remove":
      return store.remove(action.name);
    case "image-import":
      return store.import(action.name, action.directory);
    default:
      return unreachable(action);
  }
}

/** Tells how far the making of an image is, if it is made. */
export async function withProgress(
  name: string,
  stderr: Output,
  open: (options: OpenImageOptions) => Promise<Image>,
): Promise<Image> {
  const display = {
    replace: (line: string) => stderr.write(Buffer.from(`\r\u001b[K${line}`)),
    append: (line: string) => stderr.line(line),
  };
  const report = new ImageProgressReport(name, display, stderr.isTerminal, () => performance.now());
  // An orderly exit lets the builder remove what it has begun.
  const stopListening = listenForEnd((signal) => {
    report.fail();
    process.exit(signalStatus(signal));
  });
  try {
    const image = await open({ onProgress: (progress) => report.update(progress) });
    report.finish();
    return image;
  } catch (error) {
    report.fail();
    throw error;
  } finally {
    stopListening();
  }
}

function formatListings(listings: readonly ImageListing[]): readonly string[] {
  const rows = listings.map(({ name, state, storedBytes, diskByteLength, packageCount }) => [
    name,
    state,
    state === "not built" ? "" : `${Math.ceil(storedBytes / MIB)}MiB`,
    diskByteLength === 0 ? "" : formatByteLength(diskByteLength),
    state === "not built" ? "" : String(packageCount),
  ]);
  const table = [["NAME", "STATE", "STORED", "DISK", "PACKAGES"], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  return table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
}
