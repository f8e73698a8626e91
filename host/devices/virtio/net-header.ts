/**
 * The header before each frame in a virtio network device's buffers. Virtio 1.2 section 5.1.6.
 *
 *     flags u8 (NEEDS_CSUM 1) | gso_type u8 | hdr_len u16 | gso_size u16 | csum_start u16 | csum_offset u16 |
 *     num_buffers u16, which a driver without VERSION_1 and MRG_RXBUF does not have
 */
import type { Frame } from "../../network/link.js";
import { dataView } from "../../util/bytes.js";

export const NET_HEADER_BYTE_LENGTH = 12;
export const NET_HEADER_F_NEEDS_CSUM = 1;
export const NET_HEADER_GSO_NONE = 0;
export const NET_HEADER_GSO_TCPV4 = 1;
export const NET_HEADER_GSO_TCPV6 = 4;

const FLAGS = 0;
const GSO_TYPE = 1;
const HDR_LEN = 2;
const GSO_SIZE = 4;
const CSUM_START = 6;
const CSUM_OFFSET = 8;
const NUM_BUFFERS = 10;

/** The frame that a header and the bytes after it stand for; null when the header asks for what was never offered. */
export function readNetHeader(header: Uint8Array, bytes: Uint8Array): Frame | null {
  const view = dataView(header);
  const needsChecksum = (view.getUint8(FLAGS) & NET_HEADER_F_NEEDS_CSUM) !== 0;
  const checksum = needsChecksum
    ? { start: view.getUint16(CSUM_START, true), offset: view.getUint16(CSUM_OFFSET, true) }
    : null;
  const payloadByteLength = view.getUint16(GSO_SIZE, true);
  switch (view.getUint8(GSO_TYPE)) {
    case NET_HEADER_GSO_NONE:
      return { bytes, checksum, segmentation: null };
    case NET_HEADER_GSO_TCPV4:
      return { bytes, checksum, segmentation: { kind: "tcp4", payloadByteLength } };
    case NET_HEADER_GSO_TCPV6:
      return { bytes, checksum, segmentation: { kind: "tcp6", payloadByteLength } };
    default:
      return null;
  }
}

/** @param headerByteLength where the payload of a frame that is to be segmented begins; else 0 */
export function writeNetHeader(into: Uint8Array, frame: Frame, headerByteLength: number, bufferCount: number): void {
  const view = dataView(into);
  const { checksum, segmentation } = frame;
  into.fill(0);
  if (checksum !== null) {
    view.setUint8(FLAGS, NET_HEADER_F_NEEDS_CSUM);
    view.setUint16(CSUM_START, checksum.start, true);
    view.setUint16(CSUM_OFFSET, checksum.offset, true);
  }
  if (segmentation !== null) {
    view.setUint8(GSO_TYPE, segmentation.kind === "tcp4" ? NET_HEADER_GSO_TCPV4 : NET_HEADER_GSO_TCPV6);
    view.setUint16(HDR_LEN, headerByteLength, true);
    view.setUint16(GSO_SIZE, segmentation.payloadByteLength, true);
  }
  if (into.length >= NET_HEADER_BYTE_LENGTH) view.setUint16(NUM_BUFFERS, bufferCount, true);
}
