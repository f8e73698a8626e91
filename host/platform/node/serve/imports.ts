import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import Type, { type Static } from "typebox";
import { STREAMS } from "../../../control/hypervisor/actions.js";
import { Name, OperationView } from "../../../control/hypervisor/schemas.js";
import type { HypervisorService } from "../../../control/hypervisor/service.js";
import type { Database, Row, Statement } from "../../../snapshot/database.js";
import { VivariumError } from "../../../util/errors.js";
import { answerBegun, ErrorBody } from "./action-routes.js";
import type { AuditLog } from "./audit-log.js";
import { failureOf } from "./failure.js";
import type { Operations } from "./operations.js";
import { passphraseOf } from "./passphrase.js";

/** Uploads at once, of all and of one token. */
const UPLOADS_MAX = 16;
const TOKEN_UPLOADS_MAX = 4;
/** An upload that nobody goes on with is deleted. */
const IDLE_MS_MAX = 24 * 3_600_000;
const SWEEP_MS = 600_000;
/** A piece without a byte for so long is given up; what came of it stays. */
const STALL_MS = 30_000;
const ID_BYTE_LENGTH = 12;
const OFFSET_MEDIA_TYPE = "application/offset+octet-stream";
const PIECE_BYTE_LENGTH_MAX = Number.MAX_SAFE_INTEGER;

const STRICT = { additionalProperties: false } as const;
const ByteLength = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const ImportRequest = Type.Object(
  { name: Name, byteLength: Type.Optional({ ...ByteLength, description: "Of the whole, if it is known" }) },
  STRICT,
);
const ImportView = Type.Object({
  id: Type.String(),
  name: Name,
  byteLength: Type.Union([ByteLength, Type.Null()]),
  offset: { ...ByteLength, description: "What has come" },
});
const OF_IMPORT = Type.Object({ import: Type.String({ pattern: "^[A-Za-z0-9_-]{16}$" }) }, STRICT);
type OfImport = { Params: Static<typeof OF_IMPORT> };

interface ImportParts {
  readonly service: HypervisorService;
  readonly audit: AuditLog;
  readonly operations: Operations;
  readonly database: Database;
  readonly directory: string;
  /** Of one upload; all together may take twice that. */
  readonly byteLengthMax: number;
  readonly now: () => number;
}

interface Upload {
  readonly id: string;
  readonly name: string;
  readonly tokenId: string;
  readonly byteLength: number | null;
}

/**
 * Machines as uploads in pieces: each says at which offset it begins, and whoever lost the connection asks how much has
 * come and goes on there, also with the next daemon. When all is there, it is imported as an operation.
 */
export class Imports {
  readonly #parts: ImportParts;
  readonly #find: Statement;
  readonly #list: Statement;
  readonly #insert: Statement;
  readonly #delete: Statement;
  /** Uploads that a request writes to or that are imported. */
  readonly #busy = new Set<string>();
  readonly #sweeper: NodeJS.Timeout;

  private constructor(parts: ImportParts) {
    this.#parts = parts;
    const { database } = parts;
    this.#find = database.prepare("SELECT * FROM upload WHERE id = ?");
    this.#list = database.prepare("SELECT * FROM upload");
    this.#insert = database.prepare("INSERT INTO upload VALUES (?, ?, ?, ?, ?)");
    this.#delete = database.prepare("DELETE FROM upload WHERE id = ?");
    this.#sweeper = setInterval(() => void this.#sweep(), SWEEP_MS);
    this.#sweeper.unref();
  }

  static async open(parts: ImportParts): Promise<Imports> {
    await mkdir(parts.directory, { recursive: true, mode: 0o700 });
    const imports = new Imports(parts);
    await imports.#sweep();
    return imports;
  }

  close(): void {
    clearInterval(this.#sweeper);
  }

  route(app: FastifyInstance): void {
    const { role } = STREAMS["machine.import"];
    const config = { role, action: "machine.import" };
    const common = (operationId: string, summary: string) => ({
      operationId,
      summary,
      description: `Role: ${role}.`,
      tags: ["import"],
    });
    const failed = { "4xx": ErrorBody, "5xx": ErrorBody };
    app.addContentTypeParser(OFFSET_MEDIA_TYPE, { bodyLimit: PIECE_BYTE_LENGTH_MAX }, (_, payload, done) =>
      done(null, payload),
    );
    app.post<{ Body: Static<typeof ImportRequest> }>("/v1/imports", {
      config,
      schema: {
        ...common("machine.import", "Begins to upload a machine; pieces are sent to where Location says"),
        body: ImportRequest,
        response: { 201: ImportView, ...failed },
      },
      handler: async ({ body, principal }, reply) => {
        const upload = await this.#begin(body, principal!.tokenId);
        return reply
          .code(201)
          .header("Location", `/v1/imports/${upload.id}`)
          .send(await this.#view(upload));
      },
    });
    app.get<OfImport>("/v1/imports/:import", {
      config,
      exposeHeadRoute: false,
      schema: {
        ...common("import.get", "How much has come"),
        params: OF_IMPORT,
        response: { 200: ImportView, ...failed },
      },
      handler: async (request) => this.#view(this.#upload(request)),
    });
    app.head<OfImport>("/v1/imports/:import", {
      config: { ...config, swagger: { exposeHeadRoute: true } },
      schema: {
        ...common("import.head", "How much has come, as the header Upload-Offset"),
        params: OF_IMPORT,
        response: { 204: Type.Null({ description: "Upload-Offset says it" }), ...failed },
      },
      handler: async (request, reply) => this.#tell(reply, this.#upload(request)),
    });
    app.patch<OfImport>("/v1/imports/:import", {
      config,
      schema: {
        ...common("import.patch", "A piece, which begins at the header Upload-Offset"),
        consumes: [OFFSET_MEDIA_TYPE],
        params: OF_IMPORT,
        response: { 204: Type.Null({ description: "It is there" }), ...failed },
      },
      handler: (request, reply) => this.#receive(request, reply),
    });
    app.post<OfImport & { Querystring: { waitMs?: number } }>("/v1/imports/:import/finish", {
      config,
      schema: {
        ...common("import.finish", "Makes the machine, when all is there"),
        params: OF_IMPORT,
        querystring: Type.Object({ waitMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 60_000 })) }, STRICT),
        response: { 200: OperationView, 202: OperationView, ...failed },
      },
      handler: (request, reply) => this.#finish(request, reply),
    });
    app.delete<OfImport>("/v1/imports/:import", {
      config,
      schema: {
        ...common("import.delete", "Gives an upload up"),
        params: OF_IMPORT,
        response: { 204: Type.Null({ description: "It is gone" }), ...failed },
      },
      handler: async (request, reply) => {
        const upload = this.#upload(request);
        await this.#while(upload, () => this.#forget(upload.id));
        return reply.code(204).send();
      },
    });
  }

  async #begin({ name, byteLength }: Static<typeof ImportRequest>, tokenId: string): Promise<Upload> {
    const { byteLengthMax, directory, now } = this.#parts;
    if ((byteLength ?? 0) > byteLengthMax) throw tooLong(byteLengthMax);
    const uploads = this.#list.all();
    if (
      uploads.length >= UPLOADS_MAX ||
      uploads.filter((row) => row.token_id === tokenId).length >= TOKEN_UPLOADS_MAX
    ) {
      const message = `${TOKEN_UPLOADS_MAX} uploads of this token go on, or ${UPLOADS_MAX} of all; expected some to end first`;
      throw new VivariumError("import/too-many", message);
    }
    const id = randomBytes(ID_BYTE_LENGTH).toString("base64url");
    await (await open(join(directory, id), "wx", 0o600)).close();
    this.#insert.run(id, name, tokenId, byteLength ?? null, now());
    return { id, name, tokenId, byteLength: byteLength ?? null };
  }

  async #receive(request: FastifyRequest<OfImport>, reply: FastifyReply): Promise<FastifyReply> {
    const upload = this.#upload(request);
    const header = request.headers["upload-offset"];
    if (typeof header !== "string" || !/^\d{1,15}$/.test(header)) {
      throw new VivariumError(
        "request/invalid",
        "Upload-Offset: is missing; expected the offset at which the piece begins",
      );
    }
    const body = request.body as Readable | null | undefined;
    if (typeof body?.pipe !== "function") {
      throw new VivariumError("request/media-type", `Content-Type: expected ${OFFSET_MEDIA_TYPE}`);
    }
    await this.#while(upload, () => this.#append(upload, Number(header), body));
    return this.#tell(reply, upload);
  }

  async #append(upload: Upload, offset: number, body: Readable): Promise<void> {
    const handle = await open(this.#path(upload.id), "r+");
    try {
      const { size } = await handle.stat();
      if (offset !== size) {
        throw new VivariumError("import/offset", `Upload-Offset: ${offset} bytes have not come; expected ${size}`, {
          offset: size,
        });
      }
      const room = await this.#roomFor(upload, size);
      await copy(body, handle, size, room);
    } finally {
      await handle.close();
    }
  }

  /** Bytes that may still come. */
  async #roomFor(upload: Upload, byteLength: number): Promise<number> {
    const { byteLengthMax } = this.#parts;
    const others = await Promise.all(
      this.#list.all().map((row) => (row.id === upload.id ? 0 : this.#byteLength(String(row.id)))),
    );
    const shared = 2 * byteLengthMax - others.reduce((sum, length) => sum + length, 0);
    return Math.min(upload.byteLength ?? byteLengthMax, byteLengthMax, shared) - byteLength;
  }

  async #finish(
    request: FastifyRequest<OfImport & { Querystring: { waitMs?: number } }>,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const upload = this.#upload(request);
    const passphrase = passphraseOf(request);
    const { audit, operations, service } = this.#parts;
    const byteLength = await this.#byteLength(upload.id);
    if (upload.byteLength !== null && byteLength !== upload.byteLength) {
      const message = `${byteLength} of ${upload.byteLength} bytes have come; expected the rest first`;
      throw new VivariumError("import/offset", message, { offset: byteLength });
    }
    const { label } = request.principal!;
    const note = (outcome: "done" | "failed", message: string) =>
      audit.add({ principal: label, action: "machine.import", machine: upload.name, outcome, message });
    const begun = operations.begin("machine.import", upload.name, (onProgress) =>
      this.#while(upload, async () => {
        try {
          const stream = counted(createReadStream(this.#path(upload.id)), byteLength, onProgress);
          await service.importMachine(upload.name, stream, passphrase, { principal: label, onProgress });
          await this.#forget(upload.id);
          note("done", `${byteLength} bytes`);
          return await service.perform("machine.get", { machine: upload.name }, { principal: label });
        } catch (error) {
          note("failed", failureOf(error).message);
          throw error;
        }
      }),
    );
    return answerBegun(reply, operations, begun, request.query.waitMs ?? 0);
  }

  /** @throws VivariumError `import/unknown`, also for an upload of another token */
  #upload({ params, principal }: FastifyRequest<OfImport>): Upload {
    const row = this.#find.get(params.import);
    if (row !== null && row.token_id === principal!.tokenId) return uploadOf(row);
    throw new VivariumError("import/unknown", `there is no upload ${params.import}, or not any more`);
  }

  async #view(upload: Upload): Promise<Static<typeof ImportView>> {
    const { id, name, byteLength } = upload;
    return { id, name, byteLength, offset: await this.#byteLength(id) };
  }

  async #tell(reply: FastifyReply, { id, byteLength }: Upload): Promise<FastifyReply> {
    reply.header("Upload-Offset", await this.#byteLength(id));
    if (byteLength !== null) reply.header("Upload-Length", byteLength);
    return reply.code(204).send();
  }

  async #byteLength(id: string): Promise<number> {
    return (await stat(this.#path(id)).catch(() => ({ size: 0 }))).size;
  }

  /** @throws VivariumError `import/in-use` when another request works on it */
  async #while<T>({ id }: Upload, work: () => Promise<T>): Promise<T> {
    if (this.#busy.has(id)) throw new VivariumError("import/in-use", "another request works on this upload");
    this.#busy.add(id);
    try {
      return await work();
    } finally {
      this.#busy.delete(id);
    }
  }

  #path(id: string): string {
    return join(this.#parts.directory, id);
  }

  async #forget(id: string): Promise<void> {
    this.#delete.run(id);
    await rm(this.#path(id), { force: true });
  }

  /** Deletes what nobody goes on with, and files that no upload is known of. */
  async #sweep(): Promise<void> {
    const { directory, now } = this.#parts;
    const known = new Set(this.#list.all().map((row) => String(row.id)));
    for (const id of await readdir(directory)) {
      if (!known.has(id)) await rm(join(directory, id), { force: true });
    }
    for (const id of known) {
      const found = await stat(this.#path(id)).catch(() => null);
      const isOld = found === null || found.mtimeMs < now() - IDLE_MS_MAX;
      if (isOld && !this.#busy.has(id)) await this.#forget(id);
    }
  }
}

/** Writes what comes, as far as there is room; what came before a failure stays. */
async function copy(body: Readable, handle: FileHandle, offset: number, room: number): Promise<void> {
  const stall = new VivariumError("request/timeout", `nothing came for ${STALL_MS / 1000} s; what came is kept`);
  const timer = setTimeout(() => body.destroy(stall), STALL_MS);
  let done = 0;
  try {
    for await (const piece of body as AsyncIterable<Uint8Array>) {
      timer.refresh();
      if (done + piece.length > room) throw tooLong(offset + room);
      await handle.write(piece, 0, piece.length, offset + done);
      done += piece.length;
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOSPC") throw new VivariumError("file/full", "the disk of the daemon is full; what came is kept");
    if (code === "ECONNRESET") throw new VivariumError("request/ended", "the client has gone; what came is kept");
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function* counted(
  stream: AsyncIterable<Uint8Array>,
  byteLength: number,
  onProgress: (progress: number | null, message: string) => void,
): AsyncIterable<Uint8Array> {
  let done = 0;
  for await (const piece of stream) {
    done += piece.length;
    onProgress(done / byteLength, "importing");
    yield piece;
  }
}

function uploadOf(row: Row): Upload {
  return {
    id: String(row.id),
    name: String(row.name),
    tokenId: String(row.token_id),
    byteLength: row.byte_length as number | null,
  };
}

function tooLong(byteLength: number): VivariumError {
  return new VivariumError("request/too-large", `an upload may have ${byteLength} bytes here`);
}
