import type { DriveRequest } from "../../control/actions.js";
import { VivariumError } from "../../util/errors.js";
import { FileBlockBackend } from "./file-block-backend.js";

/**
 * Opens every drive, or none.
 *
 * @throws VivariumError `drive/unusable` naming the drive as `disk0`, `disk1` and so on
 */
export async function openDrives(requests: readonly DriveRequest[]): Promise<readonly FileBlockBackend[]> {
  const backends: FileBlockBackend[] = [];
  try {
    for (const [index, { file, readOnly }] of requests.entries()) {
      backends.push(await FileBlockBackend.open(driveName(index), file, readOnly));
    }
    await refuseSharedFiles(requests, backends);
    return backends;
  } catch (error) {
    await closeDrives(backends);
    throw error;
  }
}

export async function closeDrives(backends: readonly FileBlockBackend[]): Promise<void> {
  await Promise.all(backends.map((backend) => backend.close()));
}

/** A guest that writes a disk under one name does not expect it to change under another. */
async function refuseSharedFiles(
  requests: readonly DriveRequest[],
  backends: readonly FileBlockBackend[],
): Promise<void> {
  const identities = await Promise.all(backends.map((backend) => backend.identity()));
  for (const [index, identity] of identities.entries()) {
    const first = identities.indexOf(identity);
    if (first === index || (backends[first]!.readOnly && backends[index]!.readOnly)) continue;
    const message = `${driveName(index)}: ${requests[index]!.file} is ${driveName(first)} already; expected another file, or both readonly`;
    throw new VivariumError("drive/unusable", message, { drive: driveName(index), file: requests[index]!.file });
  }
}

function driveName(index: number): string {
  return `disk${index}`;
}
