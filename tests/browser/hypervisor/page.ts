/** Lets a test use the public API in a page. */
import { Hypervisor } from "../../../host/index.js";

/** What a machine has written to its console since this was asked for first. */
function watch(machine: ReturnType<Hypervisor["machines"]["get"]>): { text: string } {
  const seen = { text: "" };
  const decoder = new TextDecoder();
  void machine.console.readable.pipeTo(
    new WritableStream<Uint8Array>({
      write: (bytes) => {
        seen.text += decoder.decode(bytes, { stream: true });
      },
    }),
  );
  return seen;
}

Object.assign(globalThis, { Hypervisor, watch });
