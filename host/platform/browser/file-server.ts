import type { ServedMachine } from "../../api/machine-server.js";
import { type MachineSetup, packError } from "../../api/messages.js";
import { boardSchema } from "../../machine/board-state.js";
import { MachineFile, type Snapshot } from "../../snapshot/machine-file.js";
import { assert, unreachable } from "../../util/errors.js";
import { decode } from "../../util/schema.js";
import type { FileHolder } from "./file-holder.js";
import type { FileAnswer, FileCallName, FileCalls, FilePlace, FileRequest, OpenedFile } from "./file-messages.js";
import { browserFileServices } from "./file-services.js";
import { KeptFile } from "./kept-file.js";
import { MemoryFile } from "./memory-file.js";
import { loadSqlite } from "./sqlite.js";

const WRITTEN_BY = "vivarium in a browser";
const MEDIA_TYPE = "application/vnd.sqlite3";

/** A file that is open. */
interface Opened {
  readonly file: MachineFile;
  readonly holder: FileHolder;
}

/** The worker's end of the calls that concern the machine's file. */
export class FileServer {
  readonly #machine: ServedMachine;
  readonly #yieldToEvents: () => Promise<void>;
  #opened: Opened | null = null;
  /** Calls are served one after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(port: MessagePort, machine: ServedMachine, yieldToEvents: () => Promise<void>) {
    this.#machine = machine;
    this.#yieldToEvents = yieldToEvents;
    port.onmessage = ({ data }: MessageEvent<FileRequest>) => {
      this.#turn = this.#turn.then(async () => port.postMessage(await this.#serve(data)));
    };
  }

  async #serve({ id, name, argument }: FileRequest): Promise<FileAnswer> {
    try {
      return { id, kind: "answer", value: await this.#answer(name, argument) };
    } catch (error) {
      return { id, kind: "refusal", error: packError(error) };
    }
  }

  async #answer(name: FileCallName, argument: unknown): Promise<unknown> {
    const given = <N extends FileCallName>() => argument as FileCalls[N]["argument"];
    switch (name) {
      case "open":
        return this.#open(given<"open">());
      case "save": {
        const { name, console } = given<"save">();
        const state = await this.#machine.capture();
        return this.#file.save(state, name === undefined ? { console } : { name, console });
      }
      case "list":
        return this.#file.snapshots;
      case "restore": {
        const snapshot = this.#byId(given<"restore">().id);
        await this.#machine.restore(this.#file.load(snapshot), "renewed");
        await this.#file.restore(snapshot);
        return this.#file.consoleOf(snapshot);
      }
      case "delete":
        await this.#file.delete([this.#byId(given<"delete">().id)]);
        return this.#file.shrink();
      case "contents":
        assert(this.#opened !== null, "no file is open");
        return new Blob([(await this.#opened.holder.contents()) as Uint8Array<ArrayBuffer>], { type: MEDIA_TYPE });
      case "close":
        await this.#opened?.file.close();
        this.#opened = null;
        return undefined;
      default:
        return unreachable(name);
    }
  }

  async #open({ place, contents, setup }: FileCalls["open"]["argument"]): Promise<OpenedFile> {
    this.#opened = await this.#openPlace(place, contents);
    const { present } = this.#file;
    if (present === null) return { hasMachine: false, console: new Uint8Array() };
    const state = this.#file.load(present);
    const board = decode(boardSchema, state.board);
    const { hartCount, memoryByteLength, clock, ports } = board;
    const own: MachineSetup = { ...setup, hartCount, memoryByteLength, clock, ports };
    await this.#machine.adopt(own, state, this.#file.identity);
    return { hasMachine: true, console: this.#file.consoleOf(present) };
  }

  async #openPlace(place: FilePlace, contents: Blob | undefined): Promise<Opened> {
    const holder = await holderOf(place);
    if (contents !== undefined) await holder.replace(contents);
    const isNew = !holder.exists;
    const database = holder.database();
    const services = browserFileServices(this.#yieldToEvents);
    try {
      const file = isNew ? MachineFile.create(database, services, WRITTEN_BY) : MachineFile.open(database, services);
      return { file, holder };
    } catch (error) {
      database.close();
      throw error;
    }
  }

  get #file(): MachineFile {
    assert(this.#opened !== null, "no file is open");
    return this.#opened.file;
  }

  #byId(id: number): Snapshot {
    return this.#file.find(`#${id}`);
  }
}

async function holderOf(place: FilePlace): Promise<FileHolder> {
  const loaded = await loadSqlite();
  switch (place.kind) {
    case "kept":
      return KeptFile.open(place.name, loaded);
    case "memory":
      return new MemoryFile(loaded.sqlite);
    default:
      return unreachable(place);
  }
}
