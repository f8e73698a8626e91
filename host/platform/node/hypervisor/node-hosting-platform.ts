import { existsSync, realpathSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { OpenShare } from "../../../api/platform.js";
import type { HostedFile, HostingPlatform } from "../../../hypervisor/platform.js";
import type { StreamRecord } from "../../../snapshot/stream-format.js";
import { VivariumError } from "../../../util/errors.js";
import { nodeFileServices } from "../machine-file/file-services.js";
import { createMachineFile, importMachineFile, openMachineFile } from "../machine-file/open-machine-file.js";
import { NodeWorkerPlatform } from "../node-worker-platform.js";
import { packageVersion } from "../package-version.js";
import { holdDirectory } from "../share/held-directory.js";
import { HostFolder } from "../share/host-folder.js";

/** Where a hypervisor's worker runs in Node. */
export class NodeHostingPlatform extends NodeWorkerPlatform implements HostingPlatform {
  readonly streamServices = nodeFileServices;
  #collect: (() => void) | null = null;

  async openFile(path: string): Promise<HostedFile> {
    return existsSync(path) ? openMachineFile(path) : createMachineFile(path, writtenBy());
  }

  async importFile(path: string, records: AsyncIterable<StreamRecord>): Promise<HostedFile> {
    return importMachineFile(path, records, { writtenBy: writtenBy(), identity: "renewed" });
  }

  async stageFile(path: string, bytes: AsyncIterable<Uint8Array>): Promise<HostedFile> {
    const handle = await open(path, "wx", 0o600);
    try {
      for await (const piece of bytes) await handle.appendFile(piece);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      throw new VivariumError("file/full", "there is no room on the host for this machine");
    } finally {
      await handle.close();
    }
    return openMachineFile(path);
  }

  async removeFile(path: string): Promise<void> {
    for (const each of [path, `${path}-journal`]) await rm(each, { force: true });
  }

  /**
   * A folder was granted by where it really was. A link that somebody has put there since, such as the guest of a machine
   * with a folder above, leads to what nobody granted.
   */
  override async openShare(directory: string | object, readOnly: boolean): Promise<OpenShare> {
    if (typeof directory !== "string") return super.openShare(directory, readOnly);
    const folder = HostFolder.open(directory, readOnly, (path) => {
      const held = holdDirectory(path);
      const real = held.within((pathOf) => realpathSync(pathOf(".")));
      if (real === path) return held;
      held.close();
      throw Object.assign(new Error(`it is ${real} now`), { code: "EXDEV" });
    });
    return { folder, close: () => folder.close() };
  }

  /** A machine's memory goes only with its garbage, which its few objects would not make V8 look for. */
  collectGarbage(): void {
    if (this.#collect === null) {
      setFlagsFromString("--expose-gc");
      this.#collect = runInNewContext("gc") as () => void;
    }
    this.#collect();
  }
}

function writtenBy(): string {
  return `vivarium ${packageVersion()}`;
}
