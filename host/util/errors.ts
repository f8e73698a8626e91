/** JSON-like facts about an error, for programs that handle it. */
export type ErrorData = Readonly<Record<string, string | number | boolean>>;

/**
 * A failure an operator can meet and mend. The message is one line: what, which, and what would be accepted.
 * `code` is stable and made for programs.
 */
export class VivariumError extends Error {
  override readonly name = "VivariumError";
  constructor(
    readonly code: string,
    message: string,
    readonly data: ErrorData = {},
  ) {
    super(message);
  }
}

/** A failed expectation of our own code: stops the machine, never blames the operator or the guest. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** @throws AssertionError with `message` when `condition` is false */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** For the default of an exhaustive switch: a compile error when a case is missing. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`);
}
