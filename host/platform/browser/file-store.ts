import type { OpenMachineFile } from "../../api/platform.js";
import { MachineFile } from "../../snapshot/machine-file.js";
import { unreachable, VivariumError } from "../../util/errors.js";
import type { FileHolder } from "./file-holder.js";
import type { FilePlace } from "./file-messages.js";
import { browserFileServices } from "./file-services.js";
import { KeptFile } from "./kept-file.js";
import { MemoryFile } from "./memory-file.js";
import { type LoadedSqlite, loadSqlite } from "./sqlite.js";

const WRITTEN_BY = "vivarium in a browser";
/** A name becomes that of a directory. */
const NAME = /^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,63}$/u;

/** A machine file that is open, and where it is. */
export interface StoredFile extends OpenMachineFile {
  readonly holder: FileHolder;
}

/** The machine files that a worker can have. */
export class FileStore {
  readonly #yieldToEvents: () => Promise<void>;
  #loaded: Promise<LoadedSqlite> | null = null;

  /** @param yieldToEvents one turn of the worker's event loop */
  constructor(yieldToEvents: () => Promise<void>) {
    this.#yieldToEvents = yieldToEvents;
  }

  /** Where a file is or can be. @throws VivariumError `storage/none`, `file/in-use`, `file/full`, `file/name` */
  async holder(place: FilePlace): Promise<FileHolder> {
    this.#loaded ??= loadSqlite();
    const loaded = await this.#loaded;
    switch (place.kind) {
      case "kept": {
        if (!NAME.test(place.name)) {
          const message = `${JSON.stringify(place.name)} can name no file; expected letters, digits, " ", ".", "_" and "-"`;
          throw new VivariumError("file/name", message, { file: place.name });
        }
        return KeptFile.open(place.name, loaded);
      }
      case "memory":
        return new MemoryFile(loaded.sqlite);
      default:
        return unreachable(place);
    }
  }

  /** Opens the file that is there, or makes one. @throws VivariumError as `MachineFile.open` and `Database` say */
  open(holder: FileHolder): StoredFile {
    const isNew = !holder.exists;
    const database = holder.database();
    const services = browserFileServices(this.#yieldToEvents);
    try {
      const file = isNew ? MachineFile.create(database, services, WRITTEN_BY) : MachineFile.open(database, services);
      return { file, holder, close: () => file.close() };
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** @throws VivariumError `file/missing` */
  async openExisting(name: string): Promise<StoredFile> {
    const holder = await this.holder({ kind: "kept", name });
    if (!holder.exists) throw new VivariumError("file/missing", `${name}: there is no such file`, { file: name });
    return this.open(holder);
  }

  /** @throws VivariumError `file/exists` */
  async create(name: string): Promise<StoredFile> {
    const holder = await this.holder({ kind: "kept", name });
    if (holder.exists) {
      throw new VivariumError("file/exists", `${name}: there is such a file already; expected a new name`, {
        file: name,
      });
    }
    return this.open(holder);
  }
}
