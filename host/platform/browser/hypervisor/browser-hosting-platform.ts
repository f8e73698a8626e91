import type { Channel } from "../../../api/platform.js";
import type { HostedFile, HostingPlatform } from "../../../hypervisor/platform.js";
import { aesGcm } from "../../../snapshot/aes-gcm.js";
import { MachineFile } from "../../../snapshot/machine-file.js";
import type { StreamRecord, StreamServices } from "../../../snapshot/stream-format.js";
import { VivariumError } from "../../../util/errors.js";
import { browserFileServices } from "../file-services.js";
import type { FileStore } from "../file-store.js";
import { BrowserHostServices } from "../host-services.js";
import { deleteKeptFile } from "../kept-file.js";
import { BrowserWorkerPlatform } from "../worker-platform.js";
import type { WorkerSetup } from "../worker-setup.js";

/** The first message to a hypervisor's worker. */
export type HostSetup = Omit<WorkerSetup, "file">;

const WRITTEN_BY = "vivarium in a browser";

/** Where a hypervisor's worker runs in a page: machine files are in the page's private file system. */
export class BrowserHostingPlatform extends BrowserWorkerPlatform implements HostingPlatform {
  readonly streamServices: StreamServices;
  readonly #files: FileStore;

  constructor(channel: Channel, setup: HostSetup, files: FileStore) {
    super(channel, setup, files);
    this.#files = files;
    const host = new BrowserHostServices();
    this.streamServices = {
      ...browserFileServices(() => host.yieldToEvents()),
      cipher: (passphrase, salt, iterations) => aesGcm(crypto, new TextEncoder().encode(passphrase), salt, iterations),
    };
  }

  async openFile(name: string): Promise<HostedFile> {
    return this.#files.open(await this.#files.holder({ kind: "kept", name }));
  }

  async importFile(name: string, records: AsyncIterable<StreamRecord>): Promise<HostedFile> {
    const holder = await this.#files.holder({ kind: "kept", name });
    if (holder.exists) throw new VivariumError("file/exists", `${name}: there is such a file already`, { file: name });
    const database = holder.database();
    try {
      const options = { writtenBy: WRITTEN_BY, identity: "renewed" } as const;
      const file = await MachineFile.import(records, database, this.streamServices, options);
      return { file, close: () => file.close() };
    } catch (error) {
      database.close();
      await deleteKeptFile(name);
      throw error;
    }
  }

  async removeFile(name: string): Promise<void> {
    await deleteKeptFile(name);
  }

  /** A browser looks for its garbage by itself. */
  collectGarbage(): void {}
}
