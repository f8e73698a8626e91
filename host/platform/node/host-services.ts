import { randomFillSync } from "node:crypto";
import { TimedHostServices } from "../../api/timed-host-services.js";

const NS_PER_MS = 1_000_000n;

/** Time, sleep and randomness for a machine, from Node. */
export class NodeHostServices extends TimedHostServices {
  nowNs(): bigint {
    return BigInt(Date.now()) * NS_PER_MS;
  }

  randomBytes(into: Uint8Array): void {
    randomFillSync(into);
  }

  /** Completed reads and writes, typed keys and signals are delivered. */
  protected turnOfEvents(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
}
