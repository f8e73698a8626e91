/**
 * Writes what passes on a link in pcap's format, with nanoseconds: RFC draft-ietf-opsawg-pcap.
 *
 *     file: magic u32 | version 2.4 u16 u16 | 0 u32 | 0 u32 | longest packet u32 | link type u32 (1: Ethernet)
 *     packet: seconds u32 | nanoseconds u32 | captured u32 | original u32 | bytes
 */
import { dataView } from "../util/bytes.js";
import type { Frame, Link, Station } from "./link.js";
import { plainFrames } from "./plain-frames.js";

const MAGIC_NANOSECONDS = 0xa1b2_3c4d;
const VERSION_MAJOR = 2;
const VERSION_MINOR = 4;
const LINK_TYPE_ETHERNET = 1;
const FRAME_BYTE_LENGTH_MAX = 65_553;
const FILE_HEADER_BYTE_LENGTH = 24;
const PACKET_HEADER_BYTE_LENGTH = 16;
const NS_PER_SECOND = 1_000_000_000n;

/** Where a capture goes. */
export interface CaptureSink {
  write(bytes: Uint8Array): void;
}

export function pcapFileHeader(): Uint8Array {
  const header = new Uint8Array(FILE_HEADER_BYTE_LENGTH);
  const view = dataView(header);
  view.setUint32(0, MAGIC_NANOSECONDS, true);
  view.setUint16(4, VERSION_MAJOR, true);
  view.setUint16(6, VERSION_MINOR, true);
  view.setUint32(16, FRAME_BYTE_LENGTH_MAX, true);
  view.setUint32(20, LINK_TYPE_ETHERNET, true);
  return header;
}

/** @param nowNs since 1970 */
export function pcapPacket(bytes: Uint8Array, nowNs: bigint): Uint8Array {
  // Readers refuse a packet that is longer than the file's header allows.
  const captured = bytes.subarray(0, FRAME_BYTE_LENGTH_MAX);
  const packet = new Uint8Array(PACKET_HEADER_BYTE_LENGTH + captured.length);
  const view = dataView(packet);
  view.setUint32(0, Number(nowNs / NS_PER_SECOND), true);
  view.setUint32(4, Number(nowNs % NS_PER_SECOND), true);
  view.setUint32(8, captured.length, true);
  view.setUint32(12, bytes.length, true);
  packet.set(captured, PACKET_HEADER_BYTE_LENGTH);
  return packet;
}

/** A link that writes down every frame that passes, as it would look on a wire: cut and with its checksums. */
export class CapturedLink implements Link {
  readonly #link: Link;
  readonly #sink: CaptureSink;
  readonly #nowNs: () => bigint;
  /** A frame that is being sent and not written yet. */
  #sending: Frame | null = null;

  /** @param sink has the file header already */
  constructor(link: Link, sink: CaptureSink, nowNs: () => bigint) {
    this.#link = link;
    this.#sink = sink;
    this.#nowNs = nowNs;
  }

  connect(station: Station): void {
    this.#link.connect({
      receive: (frame) => {
        this.#writeSending();
        const isTaken = station.receive(frame);
        if (isTaken) this.#write(frame);
        return isTaken;
      },
      resume: () => station.resume(),
      setLinkUp: (isUp) => station.setLinkUp(isUp),
    });
  }

  /** An answer may come before `send` has returned; what it answers is written before it. */
  send(frame: Frame): boolean {
    this.#sending = frame;
    const isTaken = this.#link.send(frame);
    if (isTaken) this.#writeSending();
    this.#sending = null;
    return isTaken;
  }

  resume(): void {
    this.#link.resume();
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  #writeSending(): void {
    const sending = this.#sending;
    this.#sending = null;
    if (sending !== null) this.#write(sending);
  }

  #write(frame: Frame): void {
    for (const { bytes } of plainFrames(frame)) this.#sink.write(pcapPacket(bytes, this.#nowNs()));
  }
}
