import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { HostedFile, HostingPlatform } from "../../../hypervisor/platform.js";
import type { StreamRecord } from "../../../snapshot/stream-format.js";
import { nodeFileServices } from "../machine-file/file-services.js";
import { createMachineFile, importMachineFile, openMachineFile } from "../machine-file/open-machine-file.js";
import { NodeWorkerPlatform } from "../node-worker-platform.js";
import { packageVersion } from "../package-version.js";

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

  async removeFile(path: string): Promise<void> {
    for (const each of [path, `${path}-journal`]) await rm(each, { force: true });
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
