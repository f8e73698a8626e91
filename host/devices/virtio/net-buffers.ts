import type { Frame } from "../../network/link.js";
import { tcpPlaces } from "../../network/plain-frames.js";
import type { DescriptorChain } from "./descriptor-chain.js";
import { writeNetHeader } from "./net-header.js";
import type { Virtqueue } from "./virtqueue.js";

/** What has become of a frame: "wait" is for more buffers, and the frame comes again; "lost" fits no buffers. */
export type Handing = "handed" | "wait" | "lost";

/**
 * Puts a frame into buffers of the driver's: one, or as many as it needs if the driver knows how to merge them.
 *
 * @param header as long as the driver's header is; overwritten
 */
export function handFrame(queue: Virtqueue, frame: Frame, header: Uint8Array, isMergeable: boolean): Handing {
  const needed = header.length + frame.bytes.length;
  const chains: DescriptorChain[] = [];
  let room = 0;
  for (const chain of queue.chains()) {
    chains.push(chain);
    room += chain.writable.byteLength;
    if (room >= needed || !isMergeable) break;
  }
  const first = chains[0];
  if (first === undefined) return "wait";
  if (room < needed || first.writable.byteLength < header.length) {
    queue.putBack(chains.length);
    const isHopeless = !isMergeable || chains.length === queue.size || room >= needed;
    return isHopeless ? "lost" : "wait";
  }
  writeNetHeader(header, frame, tcpPlaces(frame)?.payload ?? 0, chains.length);
  fill(queue, chains, header, frame.bytes);
  return "handed";
}

/** Writes the header and then the frame over the buffers, each filled before the next. */
function fill(queue: Virtqueue, chains: readonly DescriptorChain[], header: Uint8Array, bytes: Uint8Array): void {
  let start = header.length;
  let done = 0;
  chains[0]!.writable.write(0, header);
  for (const chain of chains) {
    const length = Math.min(chain.writable.byteLength - start, bytes.length - done);
    chain.writable.write(start, bytes.subarray(done, done + length));
    queue.push(chain, start + length);
    done += length;
    start = 0;
  }
}
