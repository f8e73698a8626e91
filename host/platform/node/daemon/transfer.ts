import { open, stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { DaemonCommand } from "../../../control/cli/daemon-action.js";
import type { MachineView, OperationView } from "../../../control/hypervisor/schemas.js";
import { VivariumError } from "../../../util/errors.js";
import { readPassphrase, writeFile } from "../perform-stream.js";
import type { StandardStreams } from "../standard-streams.js";
import type { DaemonClient } from "./client.js";
import type { ProgressLine } from "./perform-daemon.js";

const PIECE_BYTE_LENGTH = 8 * 1024 * 1024;
const ATTEMPTS = 8;
const RETRY_MS = 500;

/** Downloads a machine as a stream; a connection that breaks off is made again and goes on. */
export async function exportMachine(
  client: DaemonClient,
  { machine, output, passphraseFile }: Extract<DaemonCommand, { kind: "export" }>,
  { stdout }: StandardStreams,
): Promise<void> {
  if (output === undefined && stdout.isTerminal) {
    throw new VivariumError(
      "option/invalid",
      "the stream is no text for a terminal; expected an output file, or a pipe",
    );
  }
  const pieces = download(client, machine, await passphraseHeaders(passphraseFile));
  if (output !== undefined) return writeFile(output, pieces);
  for await (const piece of pieces) {
    stdout.write(piece);
    if (stdout.congested) await stdout.drained();
    if (stdout.lost) return;
  }
}

async function* download(
  client: DaemonClient,
  machine: string,
  headers: Readonly<Record<string, string>>,
): AsyncGenerator<Uint8Array, void, void> {
  const target = `/v1/machines/${machine}/export`;
  let response = await client.request(target, { method: "GET", headers });
  const etag = response.headers.get("etag") ?? "";
  const byteLength = Number(response.headers.get("content-length"));
  let offset = 0;
  for (let attempt = 1; ; attempt++) {
    try {
      for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
        offset += piece.length;
        yield piece;
      }
    } catch {
      // What is missing is asked for below.
    }
    if (offset === byteLength) return;
    if (attempt === ATTEMPTS) break;
    await delay(RETRY_MS * attempt);
    const rest = { ...headers, Range: `bytes=${offset}-`, "If-Range": etag };
    response = await client.request(target, { method: "GET", headers: rest });
    if (response.status !== 206)
      throw new VivariumError("daemon/answer", `the export of ${machine} is not there any more`);
  }
  throw new VivariumError(
    "daemon/unreachable",
    `the export of ${machine} broke off after ${offset} of ${byteLength} bytes`,
  );
}

/** Uploads a stream as a machine, piece by piece; a piece that fails is sent again from where the daemon has it. */
export async function importMachine(
  client: DaemonClient,
  { machine, input, passphraseFile }: Extract<DaemonCommand, { kind: "import" }>,
  { stdin }: StandardStreams,
  progress: ProgressLine,
): Promise<MachineView> {
  const headers = await passphraseHeaders(passphraseFile);
  const byteLength = input === undefined ? undefined : await lengthOf(input);
  const { id } = (await client.json("/v1/imports", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ name: machine, ...(byteLength === undefined ? {} : { byteLength }) }),
  })) as { id: string };
  const target = `/v1/imports/${id}`;
  try {
    const pieces = input === undefined ? gathered(stdin) : piecesOf(input);
    let offset = 0;
    for await (const piece of pieces) {
      await upload(client, target, offset, piece);
      offset += piece.length;
    }
    const finish = { method: "POST", headers };
    const begun = (await client.json(`${target}/finish?waitMs=1000`, finish)) as OperationView;
    return (await client.ended(begun, progress.report)) as MachineView;
  } catch (error) {
    await client.request(target, { method: "DELETE" }).catch(() => {});
    throw error;
  } finally {
    progress.clear();
  }
}

async function upload(client: DaemonClient, target: string, offset: number, piece: Uint8Array): Promise<void> {
  let done = 0;
  for (let attempt = 1; done < piece.length; attempt++) {
    try {
      await client.request(target, {
        method: "PATCH",
        headers: { "Content-Type": "application/offset+octet-stream", "Upload-Offset": String(offset + done) },
        body: piece.subarray(done),
      });
      return;
    } catch (error) {
      if (!(error instanceof VivariumError) || !RETRIED.includes(error.code) || attempt === ATTEMPTS) throw error;
      await delay(RETRY_MS * attempt);
      const response = await client.request(target, { method: "HEAD" });
      done = Number(response.headers.get("upload-offset")) - offset;
    }
  }
}

/** What may be otherwise the next time: a connection that was lost, and the daemon that still writes what came by it. */
const RETRIED: readonly string[] = ["daemon/unreachable", "import/offset", "import/in-use"];

async function passphraseHeaders(file: string | undefined): Promise<Record<string, string>> {
  const passphrase = await readPassphrase(file);
  return passphrase === null ? {} : { "Vivarium-Passphrase": Buffer.from(passphrase).toString("base64") };
}

async function lengthOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new VivariumError("file/unusable", `${file}: cannot be read (${code})`, { file });
  }
}

async function* piecesOf(file: string): AsyncGenerator<Uint8Array, void, void> {
  const handle = await open(file, "r");
  try {
    for (;;) {
      const buffer = Buffer.alloc(PIECE_BYTE_LENGTH);
      const { bytesRead } = await handle.read(buffer, 0, buffer.length);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/** A stream in pieces of a good size. */
async function* gathered(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  let parts: Uint8Array[] = [];
  let byteLength = 0;
  for await (const part of stream) {
    parts.push(part);
    byteLength += part.length;
    if (byteLength < PIECE_BYTE_LENGTH) continue;
    yield Buffer.concat(parts);
    parts = [];
    byteLength = 0;
  }
  if (byteLength > 0) yield Buffer.concat(parts);
}
