import type { ServedMachine } from "../../api/machine-server.js";
import { type MachineSetup, packError } from "../../api/messages.js";
import { setupOfBoard } from "../../api/resumed-setup.js";
import { boardSchema } from "../../machine/board-state.js";
import type { MachineFile, Snapshot } from "../../snapshot/machine-file.js";
import { assert, unreachable } from "../../util/errors.js";
import { decode } from "../../util/schema.js";
import type { FileAnswer, FileCallName, FileCalls, FileRequest, OpenedFile } from "./file-messages.js";
import type { FileStore, StoredFile } from "./file-store.js";

const MEDIA_TYPE = "application/vnd.sqlite3";

type CallInTurn = Exclude<FileCallName, "cancelReplay">;

/** The worker's end of the calls that concern the machine's file. */
export class FileServer {
  readonly #machine: ServedMachine;
  readonly #store: FileStore;
  #opened: StoredFile | null = null;
  /** Of the replay that was asked for last. */
  #replay = new Cancellation();
  /** Calls are served one after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(port: MessagePort, machine: ServedMachine, store: FileStore) {
    this.#machine = machine;
    this.#store = store;
    port.onmessage = ({ data }: MessageEvent<FileRequest>) => {
      const { name } = data;
      if (name === "replay") this.#replay = new Cancellation();
      if (name === "cancelReplay") {
        this.#replay.cancel();
        port.postMessage({ id: data.id, kind: "answer", value: undefined } satisfies FileAnswer);
        return;
      }
      this.#turn = this.#turn.then(async () => port.postMessage(await this.#serve(name, data)));
    };
  }

  async #serve(name: CallInTurn, { id, argument }: Pick<FileRequest, "id" | "argument">): Promise<FileAnswer> {
    try {
      return { id, kind: "answer", value: await this.#answer(name, argument) };
    } catch (error) {
      return { id, kind: "refusal", error: packError(error) };
    }
  }

  async #answer(name: CallInTurn, argument: unknown): Promise<unknown> {
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
      case "record":
        return this.#machine.record(given<"record">().on ? this.#file : null);
      case "hasHistory":
        return this.#file.histories.length > 0;
      case "replay":
        return this.#machine.replay(this.#file, (cancel) => this.#replay.begun(cancel));
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
    const holder = await this.#store.holder(place);
    if (contents !== undefined) await holder.replace(contents);
    this.#opened = this.#store.open(holder);
    const { present } = this.#file;
    if (present === null) return { machine: null, console: new Uint8Array() };
    const state = this.#file.load(present);
    const board = decode(boardSchema, state.board);
    const { networks, shares, sockets, translate } = setup;
    const connections = {
      networkCount: Math.min(networks.length, board.networks.length),
      shares: shares.filter(({ tag }) => board.shares.includes(tag)),
      sockets: sockets.map(({ path }) => path),
      drives: [],
      translate,
    };
    // A disk that the file does not have is the setup's.
    const { guest, drives } = setup;
    const own: MachineSetup = { ...setupOfBoard(board, connections), guest, drives };
    await this.#machine.adopt(own, state, this.#file.identity);
    return { machine: own, console: this.#file.consoleOf(present) };
  }

  get #file(): MachineFile {
    assert(this.#opened !== null, "no file is open");
    return this.#opened.file;
  }

  #byId(id: number): Snapshot {
    return this.#file.find(`#${id}`);
  }
}

/** Of something that may not have begun when it is cancelled. */
class Cancellation {
  #isCancelled = false;
  #cancel: (() => void) | null = null;

  begun(cancel: () => void): void {
    if (this.#isCancelled) cancel();
    else this.#cancel = cancel;
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#cancel?.();
    this.#cancel = null;
  }
}
