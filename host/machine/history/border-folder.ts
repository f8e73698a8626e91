import { EIO, FolderError } from "../../share/errno.js";
import type {
  AttributeChange,
  Creation,
  FileAccess,
  FileAttributes,
  FolderDirectory,
  FolderFile,
  FolderStatistics,
  SharedFolder,
} from "../../share/shared-folder.js";
import type { Eventual } from "../../util/task.js";
import type { Border, Question } from "./border.js";
import { fieldsOf, isList, type RecordValue } from "./record-value.js";

/** What a folder answers: a value, or the number of its refusal. */
type Reply<T> = { readonly value: T } | { readonly errno: number };

/** A shared folder, seen through the border. */
export class BorderFolder implements SharedFolder {
  readonly readOnly: boolean;
  readonly #border: Border;
  readonly #inner: SharedFolder;

  /** @param device which of the machine's folders it is */
  constructor(border: Border, device: number, inner: SharedFolder) {
    this.#border = border;
    this.#inner = inner;
    this.readOnly = border.initialReadOnly(device) ?? inner.readOnly;
  }

  root(): Eventual<FolderDirectory> {
    return held(this.#border, "root", () => this.#inner.root(), BorderDirectory);
  }

  statistics(): Eventual<FolderStatistics> {
    return asked(this.#border, "statistics", readStatistics, () => this.#inner.statistics());
  }
}

class BorderDirectory implements FolderDirectory {
  readonly #border: Border;
  /** Null where there is no world. */
  readonly inner: FolderDirectory | null;

  constructor(border: Border, inner: FolderDirectory | null) {
    this.#border = border;
    this.inner = inner;
  }

  find(name: string): Eventual<FileAttributes | null> {
    return asked(this.#border, "find", readFound, () => this.inner!.find(name));
  }

  list(): Eventual<readonly string[]> {
    return asked(this.#border, "list", readNames, () => this.inner!.list());
  }

  openDirectory(name: string): Eventual<FolderDirectory> {
    return held(this.#border, "openDirectory", () => this.inner!.openDirectory(name), BorderDirectory);
  }

  openFile(name: string, access: FileAccess): Eventual<FolderFile> {
    return held(this.#border, "openFile", () => this.inner!.openFile(name, access), BorderFile);
  }

  createFile(name: string, access: FileAccess, creation: Creation): Eventual<FolderFile> {
    return held(this.#border, "createFile", () => this.inner!.createFile(name, access, creation), BorderFile);
  }

  makeDirectory(name: string, creation: Creation): Eventual<void> {
    return this.#does("makeDirectory", (inner) => inner.makeDirectory(name, creation));
  }

  makeLink(name: string, target: string, creation: Creation): Eventual<void> {
    return this.#does("makeLink", (inner) => inner.makeLink(name, target, creation));
  }

  makeSpecial(name: string, kind: number, deviceNumber: bigint, creation: Creation): Eventual<void> {
    return this.#does("makeSpecial", (inner) => inner.makeSpecial(name, kind, deviceNumber, creation));
  }

  readLink(name: string): Eventual<string> {
    return asked(this.#border, "readLink", readText, () => this.inner!.readLink(name));
  }

  addName(name: string, from: FolderDirectory, fromName: string): Eventual<void> {
    return this.#does("addName", (inner) => inner.addName(name, innerOf(from), fromName));
  }

  rename(name: string, to: FolderDirectory, toName: string): Eventual<void> {
    return this.#does("rename", (inner) => inner.rename(name, innerOf(to), toName));
  }

  removeFile(name: string): Eventual<void> {
    return this.#does("removeFile", (inner) => inner.removeFile(name));
  }

  removeDirectory(name: string): Eventual<void> {
    return this.#does("removeDirectory", (inner) => inner.removeDirectory(name));
  }

  change(name: string, change: AttributeChange): Eventual<void> {
    return this.#does("change", (inner) => inner.change(name, change));
  }

  close(): void {
    this.inner?.close();
  }

  #does(name: string, operation: (inner: FolderDirectory) => Eventual<void>): Eventual<void> {
    return asked(this.#border, name, readNothing, () => operation(this.inner!));
  }
}

class BorderFile implements FolderFile {
  readonly #border: Border;
  readonly #inner: FolderFile | null;

  constructor(border: Border, inner: FolderFile | null) {
    this.#border = border;
    this.#inner = inner;
  }

  attributes(): Eventual<FileAttributes> {
    return asked(this.#border, "attributes", readAttributes, () => this.#inner!.attributes());
  }

  /** The reader's buffer is filled when the answer enters, and not before. */
  read(offset: number, into: Uint8Array): Eventual<number> {
    const question = (value: RecordValue) =>
      value instanceof Uint8Array && value.length <= into.length ? value : undefined;
    const bytes = asked(this.#border, "read", question, () => {
      const buffer = new Uint8Array(into.length);
      return then(this.#inner!.read(offset, buffer), (byteLength) => buffer.subarray(0, byteLength));
    });
    return then(bytes, (read) => {
      into.set(read);
      return read.length;
    });
  }

  write(offset: number, from: Uint8Array): Eventual<number> {
    const question = (value: RecordValue) => (isCount(value) && value <= from.length ? value : undefined);
    return asked(this.#border, "write", question, () => this.#inner!.write(offset, from));
  }

  change(change: AttributeChange): Eventual<void> {
    return asked(this.#border, "change", readNothing, () => this.#inner!.change(change));
  }

  sync(dataOnly: boolean): Eventual<void> {
    return asked(this.#border, "sync", readNothing, () => this.#inner!.sync(dataOnly));
  }

  close(): void {
    this.#inner?.close();
  }
}

/** Asks for something that is held open. */
function held<I, T>(
  border: Border,
  name: string,
  operation: () => Eventual<I>,
  kind: new (border: Border, inner: I | null) => T,
): Eventual<T> {
  let inner: I | null = null;
  const opened = asked(border, name, readNothing, () =>
    then(operation(), (result): undefined => {
      inner = result;
    }),
  );
  return then(opened, () => new kind(border, inner));
}

/** @throws FolderError what the folder refuses with */
function asked<T>(
  border: Border,
  name: string,
  read: (value: RecordValue) => T | undefined,
  operation: () => Eventual<T | undefined>,
): Eventual<T> {
  const question: Question<Reply<T>> = {
    name,
    read(value) {
      const fields = fieldsOf(value);
      if (isCount(fields?.errno ?? null)) return { errno: fields!.errno as number };
      const found = fields?.value === undefined ? undefined : read(fields.value);
      return found === undefined ? undefined : { value: found };
    },
    fallback: { errno: EIO },
  };
  const reply = border.askLater(question, () => {
    try {
      const done = operation();
      return done instanceof Promise ? done.then(succeeded, failed) : succeeded(done);
    } catch (error) {
      return failed(error);
    }
  });
  return then(reply, replyValue);
}

function replyValue<T>(reply: Reply<T>): T {
  if ("errno" in reply) throw new FolderError(reply.errno);
  return reply.value;
}

function succeeded(value: unknown): RecordValue {
  const plain = typeof value === "object" && value !== null && !isList(value as RecordValue);
  const isFields = plain && !(value instanceof Uint8Array);
  return { value: ((isFields ? { ...(value as object) } : value) ?? null) as RecordValue };
}

function failed(error: unknown): RecordValue {
  return { errno: error instanceof FolderError ? error.errno : EIO };
}

function then<A, B>(value: Eventual<A>, next: (value: A) => B): Eventual<B> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** The folder's own directory behind one that the guest names. */
function innerOf(directory: FolderDirectory): FolderDirectory {
  if (!(directory instanceof BorderDirectory) || directory.inner === null) throw new FolderError(EIO);
  return directory.inner;
}

/** Null stands for what operations without a result give: undefined would be no answer. */
function readNothing(value: RecordValue): undefined {
  return (value === null ? null : undefined) as undefined;
}

function readText(value: RecordValue): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function readNames(value: RecordValue): readonly string[] | undefined {
  return isList(value) && value.every((name) => typeof name === "string") ? (value as string[]) : undefined;
}

const COUNTS = ["mode", "uid", "gid", "linkCount", "byteLength", "blockByteLength", "sectorCount"] as const;
const LARGE = ["identity", "deviceNumber", "accessedNs", "modifiedNs", "changedNs"] as const;

function readAttributes(value: RecordValue): FileAttributes | undefined {
  const fields = fieldsOf(value);
  const isWhole =
    fields !== null &&
    COUNTS.every((name) => isCount(fields[name] ?? null)) &&
    LARGE.every((name) => typeof fields[name] === "bigint");
  return isWhole ? (fields as unknown as FileAttributes) : undefined;
}

function readFound(value: RecordValue): FileAttributes | null | undefined {
  return value === null ? null : readAttributes(value);
}

const SPACE = ["blocks", "freeBlocks", "availableBlocks", "files", "freeFiles"] as const;

function readStatistics(value: RecordValue): FolderStatistics | undefined {
  const fields = fieldsOf(value);
  const isWhole =
    fields !== null &&
    isCount(fields.blockByteLength ?? null) &&
    SPACE.every((name) => typeof fields[name] === "bigint");
  return isWhole ? (fields as unknown as FolderStatistics) : undefined;
}

function isCount(value: RecordValue): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
