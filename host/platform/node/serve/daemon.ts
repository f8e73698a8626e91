import { chmod, mkdir, readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { FastifyInstance } from "fastify";
import type { HypervisorService } from "../../../control/hypervisor/service.js";
import type { ServeAction } from "../../../control/serve-options.js";
import type { Database } from "../../../snapshot/database.js";
import { VivariumError } from "../../../util/errors.js";
import { writeDiscovery } from "../daemon/discovery.js";
import { FileLock } from "../machine-file/file-lock.js";
import { openDatabase } from "../machine-file/sqlite.js";
import { type AppParts, buildApp, DEFAULT_LIMITS, type Limits } from "./app.js";
import { AuditLog } from "./audit-log.js";
import { prepareDaemonDatabase } from "./daemon-database.js";
import { MachineExports } from "./exports.js";
import { Grants } from "./grants.js";
import { Imports } from "./imports.js";
import { MetricSource } from "./metrics.js";
import { Operations } from "./operations.js";
import { startOtlp } from "./otlp.js";
import { Tokens } from "./tokens.js";

export interface DaemonOptions extends Omit<ServeAction, "action" | "data" | "workers" | "memoryByteLength"> {
  /** The directory that has all of its state. */
  readonly data: string;
  readonly limits?: Limits;
  /** Where programs look for a daemon that were told nothing. */
  readonly standardDirectory?: string;
  readonly consoleDirectory?: string;
  readonly log: (line: string) => void;
}

/** A hypervisor with its REST interface, console and event stream, and all of their state in one directory. */
export class Daemon {
  readonly url: string;
  /** The console's address with its token, at the first start alone: later nobody knows the token any more. */
  readonly consoleUrl: string | null;
  readonly #end: () => Promise<void>;

  private constructor(url: string, secret: string | null, end: () => Promise<void>) {
    this.url = url;
    this.consoleUrl = secret === null ? null : consoleUrl(url, secret);
    this.#end = end;
  }

  /**
   * @param openService makes the hypervisor, which has `directory` for itself
   * @throws VivariumError `file/in-use` when another daemon has the directory, `option/invalid`, `serve/listen`
   */
  static async open(
    options: DaemonOptions,
    openService: (directory: string, grants: Grants) => Promise<HypervisorService>,
  ): Promise<Daemon> {
    const closers: (() => unknown)[] = [];
    const end = async () => {
      for (const close of closers.splice(0).reverse()) await close();
    };
    try {
      return await opening(options, openService, closers, end);
    } catch (error) {
      await end();
      throw error;
    }

    async function opening(
      { data, log, limits = DEFAULT_LIMITS, ...rest }: DaemonOptions,
      open: typeof openService,
      onEnd: (() => unknown)[],
      close: () => Promise<void>,
    ): Promise<Daemon> {
      await makeDirectory(data);
      const lock = await FileLock.acquire(join(data, "daemon"));
      onEnd.push(() => lock.release());
      const tls = await readTls(rest.tls);
      const grants = await Grants.of(rest.shareRoots);
      const database = await openDatabase(join(data, "daemon.db"), { readOnly: false });
      onEnd.push(() => database.close());
      prepareDaemonDatabase(database);
      const service = await open(data, grants);
      onEnd.push(() => service.close());
      const parts = await makeParts({ ...rest, data, log, limits }, { service, database, grants, tls }, onEnd);
      const app = await buildApp(parts);
      onEnd.push(() => app.close());
      const url = await listen(app, rest, tls !== null);
      if (rest.otlp !== null) onEnd.push(startOtlp(rest.otlp, parts.metrics, log));
      const secret = parts.tokens.isEmpty ? parts.tokens.create({ label: "first", role: "admin" }).secret : null;
      const token = parts.tokens.renewLocal();
      onEnd.push(writeDiscovery({ url, token, pid: process.pid, data }, rest.standardDirectory));
      return new Daemon(url, secret, close);
    }
  }

  /** Saves every machine and ends; a second call does nothing. */
  close(): Promise<void> {
    return this.#end();
  }
}

/** The token stands behind the #, which browsers keep to themselves: no server and no log sees it. */
export function consoleUrl(url: string, secret: string): string {
  return `${url}/#token=${secret}`;
}

interface Opened {
  readonly service: HypervisorService;
  readonly database: Database;
  readonly grants: Grants;
  readonly tls: AppParts["tls"];
}

async function makeParts(
  { data, names, log, limits, uploadByteLengthMax, consoleDirectory }: DaemonOptions & { readonly limits: Limits },
  { service, database, grants, tls }: Opened,
  onEnd: (() => unknown)[],
): Promise<AppParts> {
  const now = () => Date.now();
  const audit = new AuditLog(database, now);
  const operations = new Operations(now, (machine, message, data) => service.tellOperation(machine, message, data));
  const common = { service, audit, byteLengthMax: uploadByteLengthMax, now };
  const exports = await MachineExports.open({ ...common, directory: join(data, "exports") });
  onEnd.push(() => exports.close());
  const imports = await Imports.open({ ...common, operations, database, directory: join(data, "uploads") });
  onEnd.push(() => imports.close());
  return {
    service,
    tokens: new Tokens(database, now),
    audit,
    operations,
    grants,
    imports,
    exports,
    metrics: new MetricSource(service),
    names: new Set(names),
    tls,
    limits,
    now,
    log,
    ...(consoleDirectory === undefined ? {} : { consoleDirectory }),
  };
}

async function makeDirectory(data: string): Promise<void> {
  try {
    await mkdir(data, { recursive: true, mode: 0o700 });
    // It holds machines and hashes of tokens; it may have been made by somebody less careful.
    await chmod(data, 0o700);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new VivariumError("file/unwritable", `--data: ${data} cannot be used (${code}); expected a directory`);
  }
}

async function readTls(tls: ServeAction["tls"]): Promise<AppParts["tls"]> {
  if (tls === null) return null;
  const read = (option: string, file: string) =>
    readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
      throw new VivariumError(
        "option/invalid",
        `${option}: ${file} cannot be read (${error.code}); expected a PEM file`,
      );
    });
  return { cert: await read("--tls-cert", tls.certFile), key: await read("--tls-key", tls.keyFile) };
}

async function listen(
  app: FastifyInstance,
  { host, port, names }: Pick<ServeAction, "host" | "port" | "names">,
  tls: boolean,
): Promise<string> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    const message = `cannot listen on ${host}:${port} (${reason}); expected an address of this host and a free port`;
    throw new VivariumError("serve/listen", message);
  }
  const { address, family, port: actual } = app.server.address() as AddressInfo;
  // All addresses are none that can be called.
  const isAny = address === "0.0.0.0" || address === "::";
  const name = isAny ? (names[0] ?? "localhost") : family === "IPv6" ? `[${address}]` : address;
  return `${tls ? "https" : "http"}://${name}:${actual}`;
}
