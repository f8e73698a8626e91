import { setTimeout as delay } from "node:timers/promises";
import type { HttpClient, HttpRequest, HttpResponse } from "../../storage/http-store.js";

/** Gets resources by the platform's own `fetch`. */
export class FetchClient implements HttpClient {
  readonly #stallMs: number | null;

  /** @param stallMs in place of what requests ask for */
  constructor({ stallMs = null }: { readonly stallMs?: number | null } = {}) {
    this.#stallMs = stallMs;
  }

  async get({ url, headers, maxByteLength, stallMs }: HttpRequest): Promise<HttpResponse> {
    const controller = new AbortController();
    const limitMs = this.#stallMs ?? stallMs;
    const stalled = () => controller.abort(new Error(`nothing came for ${limitMs / 1000} s`));
    const timer = setTimeout(stalled, limitMs);
    try {
      const response = await fetch(url, { headers, signal: controller.signal });
      const body = await readBody(response, maxByteLength, () => timer.refresh());
      return { status: response.status, header: (name) => response.headers.get(name), body };
    } catch (error) {
      throw controller.signal.aborted ? controller.signal.reason : explained(error);
    } finally {
      clearTimeout(timer);
      // Whatever is left of a body that is too long is not wanted.
      controller.abort();
    }
  }

  async sleep(ms: number): Promise<void> {
    await delay(ms);
  }
}

/** The body, as far as `maxByteLength` and one byte more, by which it is seen to be too long. */
async function readBody(response: Response, maxByteLength: number, onProgress: () => void): Promise<Uint8Array> {
  const body = new Uint8Array(maxByteLength + 1);
  let byteLength = 0;
  if (response.body !== null) {
    for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
      onProgress();
      const taken = part.subarray(0, body.length - byteLength);
      body.set(taken, byteLength);
      byteLength += taken.length;
      if (byteLength === body.length) break;
    }
  }
  return body.subarray(0, byteLength);
}

/** `fetch` says "fetch failed" and keeps why to itself. */
function explained(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof Error ? error.cause : error;
}
