/** What a machine has used all its life, as its file has it: docs/hypervisor.md says what is counted. */
import { amount, type StateOf, schema, uint } from "../util/schema.js";

const count = (doc: string) => uint(doc, Number.MAX_SAFE_INTEGER);

export const usageSchema = schema("usage", 1, {
  instructions: count("retired by all harts"),
  processorSeconds: amount("of the host"),
  memoryGibSeconds: amount("touched memory over time"),
  energyJoules: amount("an estimate"),
  diskReadBytes: count("read from disks"),
  diskWrittenBytes: count("written to disks"),
  diskReads: count("requests to read"),
  diskWrites: count("requests to write"),
  networkReceivedBytes: count("received from networks"),
  networkSentBytes: count("sent to networks"),
  networkReceivedFrames: count("received from networks"),
  networkSentFrames: count("sent to networks"),
});

export type UsageState = StateOf<typeof usageSchema.fields>;
