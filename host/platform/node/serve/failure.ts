import { type ErrorData, VivariumError } from "../../../util/errors.js";

/** What a client is told of an error. */
export interface Failure {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly data: ErrorData;
}

/** The parts of a code that have a status of HTTP for themselves: what is before the slash, or behind it. */
const BY_CODE: Readonly<Record<string, number>> = {
  "authentication/required": 401,
  "authentication/too-many": 429,
  "folder/forbidden": 403,
  "hypervisor/closed": 503,
  "rate/limit": 429,
  "request/too-large": 413,
  "request/media-type": 415,
  "request/unknown": 404,
  "request/range": 416,
  "request/timeout": 504,
  "request/unexpected": 409,
  "import/offset": 409,
  "file/full": 507,
  "internal/error": 500,
};
const BY_REASON: Readonly<Record<string, number>> = {
  unknown: 404,
  exists: 409,
  "in-use": 409,
  status: 409,
  full: 507,
  "too-many": 503,
};
const BY_SUBJECT: Readonly<Record<string, number>> = { request: 400, option: 400, admission: 409, permission: 403 };
/** An operator's error of which no more is known. */
const STATUS_OPERATOR_ERROR = 422;

/** What HTTP and the audit say of any error; of one of our own not more than that there was one. */
export function failureOf(error: unknown): Failure {
  if (error instanceof VivariumError) {
    const { code, message, data } = error;
    const [subject = "", reason = ""] = code.split("/");
    const status = BY_CODE[code] ?? BY_REASON[reason] ?? BY_SUBJECT[subject] ?? STATUS_OPERATOR_ERROR;
    return { status, code, message: oneLine(message), data };
  }
  const { statusCode, message } = error as { readonly statusCode?: number; readonly message?: string };
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    const code = CODES_OF_STATUS[statusCode] ?? "request/invalid";
    return { status: statusCode, code, message: oneLine(message ?? "the request cannot be used"), data: {} };
  }
  return { status: 500, code: "internal/error", message: "an error of the daemon's own; its log has more", data: {} };
}

/** Errors that the framework makes. */
const CODES_OF_STATUS: Readonly<Record<number, string>> = {
  404: "request/unknown",
  413: "request/too-large",
  415: "request/media-type",
  429: "rate/limit",
};

function oneLine(message: string): string {
  return message.replaceAll(/\s*\n\s*/g, " ");
}
