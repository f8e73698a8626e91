import { VivariumError } from "../util/errors.js";
import { formatByteLength, GIB, MIB, parseByteLength } from "./byte-length.js";
import { readPlace } from "./network-options.js";

/** What `viv serve` was given, each option as it was written. */
export interface ServeOptions {
  readonly listen?: string;
  readonly data?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly name?: readonly string[];
  readonly shareRoot?: readonly string[];
  readonly memory?: string;
  readonly workers?: string;
  readonly uploadLimit?: string;
  readonly otlp?: string;
}

/** Runs the daemon: many machines, under one scheduler, with a REST interface and a console. */
export interface ServeAction {
  readonly action: "serve";
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  /** Absent for the user's own. */
  readonly data?: string;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null;
  /** By which it may be called besides its addresses and localhost, in lower case. */
  readonly names: readonly string[];
  /** Below which folders may be shared with machines. */
  readonly shareRoots: readonly string[];
  /** For all machines together; absent for most of what the host has. */
  readonly memoryByteLength?: number;
  /** Absent for one a core. */
  readonly workers?: number;
  /** Of one upload or download. */
  readonly uploadByteLengthMax: number;
  /** Where readings are sent by OTLP; null for nowhere. */
  readonly otlp: string | null;
}

export const DEFAULT_SERVE_PLACE = "127.0.0.1:8440";
export const DEFAULT_UPLOAD_BYTE_LENGTH = 16 * GIB;
const MINIMUM_MEMORY_BYTE_LENGTH = 64 * MIB;
const WORKERS_MAX = 1024;

/**
 * Turns the options of `viv serve` into an action.
 *
 * @throws VivariumError `option/invalid` naming the option, what it was given and what it accepts
 */
export function readServeOptions(options: ServeOptions): ServeAction {
  const text = options.listen ?? DEFAULT_SERVE_PLACE;
  const place = readPlace(text, true);
  if (place?.kind !== "tcp") {
    throw badOption(`--listen: ${JSON.stringify(text)} is no place to listen on; expected [HOST:]PORT`);
  }
  const tls = readTls(options);
  if (tls === null && !isLoopback(place.host)) {
    throw badOption(
      `--listen: ${place.host} can be reached by others; expected 127.0.0.1, or --tls-cert and --tls-key`,
    );
  }
  const { data, memory, workers, uploadLimit } = options;
  return {
    action: "serve",
    host: place.host,
    port: place.port,
    ...(data === undefined ? {} : { data: nonEmpty("--data", data) }),
    tls,
    names: (options.name ?? []).map(readName),
    shareRoots: (options.shareRoot ?? []).map((root) => nonEmpty("--share-root", root)),
    ...(memory === undefined ? {} : { memoryByteLength: readAmount("--memory", memory, MINIMUM_MEMORY_BYTE_LENGTH) }),
    ...(workers === undefined ? {} : { workers: readWorkers(workers) }),
    uploadByteLengthMax:
      uploadLimit === undefined ? DEFAULT_UPLOAD_BYTE_LENGTH : readAmount("--upload-limit", uploadLimit, 1),
    otlp: options.otlp === undefined ? null : readUrl("--otlp", options.otlp),
  };
}

function readTls({ tlsCert, tlsKey }: ServeOptions): ServeAction["tls"] {
  if (tlsCert === undefined && tlsKey === undefined) return null;
  if (tlsCert === undefined) throw badOption("--tls-key needs --tls-cert, the certificate it belongs to");
  if (tlsKey === undefined) throw badOption("--tls-cert needs --tls-key, the key that belongs to it");
  return { certFile: nonEmpty("--tls-cert", tlsCert), keyFile: nonEmpty("--tls-key", tlsKey) };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

function readName(text: string): string {
  if (/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i.test(text)) return text.toLowerCase();
  throw badOption(`--name: ${JSON.stringify(text)} is no host name; expected one such as lab.example.org`);
}

function readAmount(option: string, text: string, minimum: number): number {
  const byteLength = parseByteLength(text);
  if (byteLength !== null && byteLength >= minimum) return byteLength;
  const accepted = `${formatByteLength(minimum)} or more, such as 4GiB`;
  throw badOption(`${option}: ${JSON.stringify(text)} is not such an amount; expected ${accepted}`);
}

function readWorkers(text: string): number {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (count >= 1 && count <= WORKERS_MAX) return count;
  throw badOption(`--workers: ${JSON.stringify(text)} is no number of workers; expected 1 to ${WORKERS_MAX}`);
}

function readUrl(option: string, text: string): string {
  if (/^https?:\/\/[^\s/]+(\/\S*)?$/.test(text)) return text;
  throw badOption(
    `${option}: ${JSON.stringify(text)} is no address; expected such as http://127.0.0.1:4318/v1/metrics`,
  );
}

function nonEmpty(option: string, text: string): string {
  if (text !== "") return text;
  throw badOption(`${option}: is empty; expected a path`);
}

function badOption(message: string): VivariumError {
  return new VivariumError("option/invalid", message);
}
