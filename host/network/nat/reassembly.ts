import { keyOf } from "../octets.js";
import type { IpFragment, IpPacket } from "./ip.js";

/** What an error about the packet quotes of it: the longest header and the first of its payload. */
const QUOTED_BYTE_LENGTH = 68;
const PAYLOAD_BYTE_LENGTH_MAX = 65_535;
/** Packets of which only some pieces have come. */
const PACKETS_MAX = 32;
/** RFC 8200 section 4.5; a packet that is not complete by then never will be. */
const LIFETIME_MS = 60_000;

/** A packet of which pieces have come. */
interface PartialPacket {
  readonly startedMs: number;
  /** In ascending order, not overlapping. */
  readonly pieces: IpFragment[];
}

/**
 * Puts packets together from their pieces. Pieces that overlap give up the whole packet (RFC 5722), and what is
 * incomplete takes bounded memory: the oldest packet makes way.
 */
export class Reassembly {
  readonly #packets = new Map<string, PartialPacket>();

  /** @returns the whole packet when this was its last missing piece */
  add(fragment: IpFragment, nowMs: number): IpPacket | null {
    const { packet, offset, isLast } = fragment;
    const { length } = packet.payload;
    if (offset + length > PAYLOAD_BYTE_LENGTH_MAX || length === 0 || (!isLast && length % 8 !== 0)) return null;
    const key = `${keyOf(packet.source)}${keyOf(packet.destination)} ${packet.protocol} ${fragment.id}`;
    const partial = this.#partial(key, nowMs);
    const next = partial.pieces.findIndex((piece) => piece.offset >= offset);
    const index = next < 0 ? partial.pieces.length : next;
    const before = partial.pieces[index - 1];
    const after = partial.pieces[index];
    if ((before !== undefined && endOf(before) > offset) || (after !== undefined && offset + length > after.offset)) {
      // The same piece twice is a duplicate; anything else that overlaps is an attack.
      if (after?.offset !== offset || after.packet.payload.length !== length) this.#packets.delete(key);
      return null;
    }
    // Copies: the piece must not keep a much larger frame alive.
    const copy = { ...packet, payload: packet.payload.slice(), packet: packet.packet.slice(0, QUOTED_BYTE_LENGTH) };
    partial.pieces.splice(index, 0, { ...fragment, packet: copy });
    const whole = join(partial.pieces);
    if (whole !== null) this.#packets.delete(key);
    return whole;
  }

  #partial(key: string, nowMs: number): PartialPacket {
    const known = this.#packets.get(key);
    if (known !== undefined && nowMs - known.startedMs < LIFETIME_MS) return known;
    this.#packets.delete(key);
    if (this.#packets.size >= PACKETS_MAX) this.#packets.delete(this.#packets.keys().next().value!);
    const fresh: PartialPacket = { startedMs: nowMs, pieces: [] };
    this.#packets.set(key, fresh);
    return fresh;
  }
}

function endOf({ offset, packet }: IpFragment): number {
  return offset + packet.payload.length;
}

function join(pieces: readonly IpFragment[]): IpPacket | null {
  let end = 0;
  for (const piece of pieces) {
    if (piece.offset !== end) return null;
    end = endOf(piece);
  }
  if (pieces.at(-1)?.isLast !== true) return null;
  const payload = new Uint8Array(end);
  for (const { packet, offset } of pieces) payload.set(packet.payload, offset);
  return { ...pieces[0]!.packet, payload };
}
