import { VivariumError } from "../../util/errors.js";

/**
 * Asks a server for a file.
 *
 * @throws VivariumError `download/failed`, saying whether nobody answered or what was answered
 */
export async function fetchFile(url: URL): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url);
  } catch {
    throw downloadFailed(url, "there was no answer; is the server still there?");
  }
  if (!response.ok) throw downloadFailed(url, `the server answered ${response.status} ${response.statusText}`.trim());
  return response;
}

/**
 * Reads a body to its end.
 *
 * @param onBytes called with the number of bytes that have come since the last call
 * @throws VivariumError `download/failed` when it breaks off, `download/too-long` beyond `byteLengthMax`
 */
export async function readBody(
  url: URL,
  body: ReadableStream<Uint8Array> | null,
  byteLengthMax: number,
  onBytes: (byteLength: number) => void = () => {},
): Promise<Uint8Array> {
  if (body === null) throw downloadFailed(url, "the answer is empty");
  const reader = body.getReader();
  const parts: Uint8Array[] = [];
  let byteLength = 0;
  for (;;) {
    const { done, value } = await reader.read().catch((error: unknown) => {
      // A connection that breaks and a stream that is no gzip both are a TypeError.
      throw downloadFailed(url, error instanceof Error ? error.message : String(error));
    });
    if (done) return concatenate(parts, byteLength);
    byteLength += value.length;
    if (byteLength > byteLengthMax) {
      await reader.cancel();
      const message = `${url.pathname}: longer than ${byteLengthMax} bytes`;
      throw new VivariumError("download/too-long", message, { url: url.href, byteLengthMax });
    }
    parts.push(value);
    onBytes(value.length);
  }
}

function downloadFailed(url: URL, problem: string): VivariumError {
  return new VivariumError("download/failed", `${url.pathname}: ${problem}`, { url: url.href });
}

function concatenate(parts: readonly Uint8Array[], byteLength: number): Uint8Array {
  const whole = new Uint8Array(byteLength);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
