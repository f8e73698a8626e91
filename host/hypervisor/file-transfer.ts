import { VivariumError } from "../util/errors.js";
import type { HostWorker } from "./host-worker.js";
import { IMPORTED_IMAGE } from "./machine-setup.js";
import { specOf } from "./machine-spec.js";
import type { Machines } from "./machines.js";
import type { ManagedMachine } from "./managed-machine.js";
import type { ImportedMachine } from "./messages.js";

const MIB = 2 ** 20;

/** A machine's file as a stream. One that runs is saved first; nobody changes its file meanwhile. */
export async function* exportFrom(machine: ManagedMachine, passphrase: string | null): AsyncGenerator<Uint8Array> {
  const gate = new Gate<{ readonly worker: HostWorker; readonly file: string }>();
  const done = machine.withFile(async (worker, file) => {
    gate.open({ worker, file });
    await gate.closed;
  });
  // Before the file is there, only its failure ends the wait.
  done.catch((error: unknown) => gate.fail(error));
  const { worker, file } = await gate.opened;
  try {
    const stream = await worker.call("exportBegin", { file, passphrase });
    try {
      for (;;) {
        const piece = await worker.call("exportNext", { stream });
        if (piece === null) return;
        yield piece;
      }
    } finally {
      await worker.call("exportEnd", { stream });
    }
  } finally {
    gate.close();
    await done;
  }
}

/** Makes a machine of a stream; it sleeps in its file then. @throws VivariumError `stream/...`, `machine/exists` */
export async function importInto(
  machines: Machines,
  name: string,
  pieces: AsyncIterable<Uint8Array>,
  passphrase: string | null,
): Promise<void> {
  const spec = specOf({ name, image: IMPORTED_IMAGE });
  await machines.import(spec, async (machine) => {
    const found = await machine.withNewFile(async (worker, file) => receive(worker, file, pieces, passphrase));
    machine.spec = {
      ...spec,
      memoryMiB: Math.max(1, Math.round(found.memoryByteLength / MIB)),
      harts: found.hartCount,
      networks: Array.from({ length: found.networkCount }, () => "user"),
    };
    machine.imported(found);
  });
}

async function receive(
  worker: HostWorker,
  file: string,
  pieces: AsyncIterable<Uint8Array>,
  passphrase: string | null,
): Promise<ImportedMachine> {
  const stream = await worker.call("importBegin", { file, passphrase });
  try {
    for await (const bytes of pieces) await worker.call("importNext", { stream, bytes });
    const found = await worker.call("importNext", { stream, bytes: null });
    if (found === null) throw new VivariumError("stream/damaged", "the stream has no machine in it");
    return found;
  } finally {
    await worker.call("importEnd", { stream });
  }
}

/** Something that is given for a while to somebody who is not there yet. */
class Gate<T> {
  readonly opened: Promise<T>;
  readonly closed: Promise<void>;
  #open: (value: T) => void = () => {};
  #fail: (error: unknown) => void = () => {};
  #close: () => void = () => {};

  constructor() {
    this.opened = new Promise((resolve, reject) => {
      this.#open = resolve;
      this.#fail = reject;
    });
    this.closed = new Promise((resolve) => {
      this.#close = resolve;
    });
  }

  open(value: T): void {
    this.#open(value);
  }

  fail(error: unknown): void {
    this.#fail(error);
  }

  close(): void {
    this.#close();
  }
}
