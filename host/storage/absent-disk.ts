import type { BlockBackend } from "./block-backend.js";

/** A disk that a machine had, and that is not there any more: every operation fails. */
export class AbsentDisk implements BlockBackend {
  constructor(
    readonly byteLength: number,
    readonly readOnly: boolean,
  ) {}

  read(): Promise<void> {
    return refused();
  }

  write(): Promise<void> {
    return refused();
  }

  writeZeroes(): Promise<void> {
    return refused();
  }

  discard(): Promise<void> {
    return refused();
  }

  flush(): Promise<void> {
    return refused();
  }

  async close(): Promise<void> {}
}

function refused(): Promise<never> {
  return Promise.reject(new Error("the disk is not there"));
}
