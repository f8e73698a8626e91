/**
 * The little of the Web platform that the public API speaks and that Node and browsers have alike: the es2022 library
 * declares none of it. Programs that use the API see their own platform's declarations.
 */

interface AbortSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

interface ReadableStreamDefaultController<R> {
  enqueue(chunk: R): void;
  close(): void;
  error(reason: unknown): void;
}
interface ReadableStreamDefaultReader<R> {
  read(): Promise<{ readonly done: false; readonly value: R } | { readonly done: true; readonly value: undefined }>;
  cancel(reason?: unknown): Promise<void>;
  releaseLock(): void;
}
interface ReadableStream<R> {
  readonly locked: boolean;
  getReader(): ReadableStreamDefaultReader<R>;
  cancel(reason?: unknown): Promise<void>;
}
declare const ReadableStream: new <R>(
  source: {
    pull?(controller: ReadableStreamDefaultController<R>): void | Promise<void>;
    cancel?(reason: unknown): void | Promise<void>;
  },
  strategy?: { readonly highWaterMark: number },
) => ReadableStream<R>;

interface WritableStreamDefaultController {
  error(reason: unknown): void;
}
interface WritableStreamDefaultWriter<W> {
  write(chunk: W): Promise<void>;
  close(): Promise<void>;
  releaseLock(): void;
}
interface WritableStream<W> {
  readonly locked: boolean;
  getWriter(): WritableStreamDefaultWriter<W>;
}
declare const WritableStream: new <W>(
  sink: {
    start?(controller: WritableStreamDefaultController): void;
    write?(chunk: W): void | Promise<void>;
    close?(): void | Promise<void>;
    abort?(reason: unknown): void | Promise<void>;
  },
  strategy?: { readonly highWaterMark: number },
) => WritableStream<W>;

declare class TextEncoder {
  encode(text: string): Uint8Array;
}
declare class TextDecoder {
  decode(bytes: Uint8Array): string;
}

declare const performance: { now(): number };

/** What a timer is called: a number in browsers, an object in Node. */
interface TimerHandle {
  readonly timer: never;
}
declare function setTimeout(callback: () => void, delayMs: number): TimerHandle;
declare function clearTimeout(timer: TimerHandle): void;
