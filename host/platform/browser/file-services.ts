import type { FileServices } from "../../snapshot/database.js";
import { inflate } from "./inflate.js";
import { fillRandom } from "./random.js";
import { sha256 } from "./sha256.js";

/** What a machine file needs of a browser. @param yieldToEvents one turn of the worker's event loop */
export function browserFileServices(yieldToEvents: () => Promise<void>): FileServices {
  return {
    digest: sha256,
    deflate,
    inflate,
    randomBytes: fillRandom,
    nowMs: () => Date.now(),
    yield: yieldToEvents,
  };
}

async function deflate(bytes: Uint8Array): Promise<Uint8Array> {
  const compression = new CompressionStream("deflate-raw");
  const writer = compression.writable.getWriter();
  // Not awaited: the stream takes all of it only when somebody reads.
  void writer.write(bytes as Uint8Array<ArrayBuffer>);
  void writer.close();
  return new Uint8Array(await new Response(compression.readable).arrayBuffer());
}
