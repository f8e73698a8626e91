import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import Type from "typebox";
import { STREAMS } from "../../../control/hypervisor/actions.js";
import { Name } from "../../../control/hypervisor/schemas.js";
import type { HypervisorService } from "../../../control/hypervisor/service.js";
import { VivariumError } from "../../../util/errors.js";
import type { AuditLog } from "./audit-log.js";
import { failureOf } from "./failure.js";
import { passphraseOf } from "./passphrase.js";

/** Exports that lie on the disk at once; the one that was asked for longest ago makes room. */
const EXPORTS_MAX = 4;
const KEPT_MS = 3_600_000;
const SWEEP_MS = 60_000;

interface Export {
  readonly machine: string;
  readonly tokenId: string;
  readonly etag: string;
  readonly path: string;
  readonly byteLength: number;
  lastUsedAt: number;
  readers: number;
}

interface ExportParts {
  readonly service: HypervisorService;
  readonly audit: AuditLog;
  readonly directory: string;
  readonly byteLengthMax: number;
  readonly now: () => number;
}

/**
 * Machines as downloads. A machine is written to a file first and sent from there, so that its length is known, and a
 * download that broke off goes on with the very same bytes, as HTTP has it (RFC 9110, section 14).
 */
export class MachineExports {
  readonly #parts: ExportParts;
  readonly #finished = new Set<Export>();
  #writing = 0;
  readonly #sweeper: NodeJS.Timeout;

  private constructor(parts: ExportParts) {
    this.#parts = parts;
    this.#sweeper = setInterval(() => void this.#sweep(), SWEEP_MS);
    this.#sweeper.unref();
  }

  /** Makes an empty directory of `parts.directory`: what an earlier daemon left there is of no use. */
  static async open(parts: ExportParts): Promise<MachineExports> {
    await rm(parts.directory, { recursive: true, force: true });
    await mkdir(parts.directory, { recursive: true, mode: 0o700 });
    return new MachineExports(parts);
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    await rm(this.#parts.directory, { recursive: true, force: true });
  }

  route(app: FastifyInstance): void {
    app.get<{ Params: { machine: string } }>("/v1/machines/:machine/export", {
      config: { role: STREAMS["machine.export"].role, action: "machine.export" },
      // A HEAD would write the whole machine to say how long it is.
      exposeHeadRoute: false,
      schema: {
        operationId: "machine.export",
        summary: "The machine as one stream, which imports take",
        description:
          "Role: operator. Encrypted if the header Vivarium-Passphrase is there (Base64 of UTF-8). A download that broke " +
          "off goes on with Range, and If-Range with the ETag, within an hour.",
        tags: ["machine"],
        produces: ["application/octet-stream"],
        params: Type.Object({ machine: Name }, { additionalProperties: false }),
        response: {
          200: Type.String({ description: "The stream" }),
          206: Type.String({ description: "The rest of it" }),
        },
      },
      handler: (request, reply) => this.#answer(request, reply),
    });
  }

  async #answer(request: FastifyRequest<{ Params: { machine: string } }>, reply: FastifyReply): Promise<FastifyReply> {
    const { machine } = request.params;
    const { tokenId, label } = request.principal!;
    const range = rangeOf(request.headers.range);
    const etag = request.headers["if-range"]?.toString();
    const found = range === null ? null : this.#earlier(machine, tokenId, etag);
    // Without what it is the rest of, a rest is of no use; If-Range asks for all of it then.
    if (range !== null && found === null && etag === undefined) {
      throw new VivariumError("request/range", "there is no such export any more; expected a request without Range");
    }
    const chosen = found ?? (await this.#make(machine, tokenId, label, passphraseOf(request)));
    chosen.lastUsedAt = this.#parts.now();
    const { byteLength } = chosen;
    const part = found === null ? null : range;
    const first = part === null ? 0 : part.first;
    const last = Math.min(part?.last ?? byteLength - 1, byteLength - 1);
    if (part !== null && first > last) {
      reply.header("Content-Range", `bytes */${byteLength}`);
      throw new VivariumError("request/range", `the export has ${byteLength} bytes; expected a range within`);
    }
    const stream = createReadStream(chosen.path, { start: first, end: last });
    chosen.readers++;
    stream.on("close", () => chosen.readers--);
    if (part !== null) reply.header("Content-Range", `bytes ${first}-${last}/${byteLength}`);
    return reply
      .code(part === null ? 200 : 206)
      .type("application/octet-stream")
      .headers({
        ETag: chosen.etag,
        "Accept-Ranges": "bytes",
        "Content-Length": last - first + 1,
        "Content-Disposition": `attachment; filename="${machine}.vivx"`,
      })
      .send(stream);
  }

  #earlier(machine: string, tokenId: string, etag: string | undefined): Export | null {
    const own = [...this.#finished].filter((one) => one.machine === machine && one.tokenId === tokenId);
    return own.reverse().find((one) => etag === undefined || one.etag === etag) ?? null;
  }

  async #make(machine: string, tokenId: string, label: string, passphrase: string | null): Promise<Export> {
    await this.#makeRoom();
    const id = randomBytes(12).toString("base64url");
    const path = join(this.#parts.directory, id);
    const { audit, now } = this.#parts;
    const note = (outcome: "done" | "failed", message: string) =>
      audit.add({ principal: label, action: "machine.export", machine, outcome, message });
    this.#writing++;
    try {
      const byteLength = await this.#write(machine, passphrase, path);
      const made: Export = { machine, tokenId, etag: `"${id}"`, path, byteLength, lastUsedAt: now(), readers: 0 };
      this.#finished.add(made);
      note("done", `${byteLength} bytes`);
      return made;
    } catch (error) {
      await rm(path, { force: true });
      note("failed", failureOf(error).message);
      throw error;
    } finally {
      this.#writing--;
    }
  }

  async #write(machine: string, passphrase: string | null, path: string): Promise<number> {
    const { service, byteLengthMax } = this.#parts;
    const handle = await open(path, "wx", 0o600);
    let byteLength = 0;
    try {
      for await (const piece of service.exportMachine(machine, passphrase)) {
        byteLength += piece.length;
        if (byteLength > byteLengthMax) {
          throw new VivariumError("file/full", `${machine}: its export is longer than ${byteLengthMax} bytes`);
        }
        await handle.writeFile(piece);
      }
    } finally {
      await handle.close();
    }
    return byteLength;
  }

  async #makeRoom(): Promise<void> {
    await this.#sweep();
    const idle = [...this.#finished].filter(({ readers }) => readers === 0).sort((a, b) => a.lastUsedAt - b.lastUsedAt);
    while (this.#finished.size + this.#writing >= EXPORTS_MAX) {
      const oldest = idle.shift();
      if (oldest === undefined) {
        throw new VivariumError("export/too-many", `${EXPORTS_MAX} exports go on; expected some to end first`);
      }
      await this.#forget(oldest);
    }
  }

  async #sweep(): Promise<void> {
    const oldest = this.#parts.now() - KEPT_MS;
    for (const one of this.#finished) {
      if (one.readers === 0 && one.lastUsedAt < oldest) await this.#forget(one);
    }
  }

  async #forget(one: Export): Promise<void> {
    this.#finished.delete(one);
    await rm(one.path, { force: true });
  }
}

/** One range from a first byte on; others are answered as if there were none, which RFC 9110 allows. */
function rangeOf(header: string | undefined): { readonly first: number; readonly last: number | null } | null {
  const match = /^bytes=(\d{1,15})-(\d{1,15})?$/.exec(header ?? "");
  if (match === null) return null;
  return { first: Number(match[1]), last: match[2] === undefined ? null : Number(match[2]) };
}
