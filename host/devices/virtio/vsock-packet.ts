/**
 * Packets of a virtio socket: virtio 1.2 section 5.10.6.
 *
 *     src_cid u64 | dst_cid u64 | src_port u32 | dst_port u32 | len u32 | type u16 | op u16 | flags u32 |
 *     buf_alloc u32 | fwd_cnt u32 | len bytes
 */
import { dataView } from "../../util/bytes.js";

export const VSOCK_HEADER_BYTE_LENGTH = 44;
export const VSOCK_TYPE_STREAM = 1;

export const VSOCK_OP_REQUEST = 1;
export const VSOCK_OP_RESPONSE = 2;
export const VSOCK_OP_RST = 3;
export const VSOCK_OP_SHUTDOWN = 4;
export const VSOCK_OP_RW = 5;
export const VSOCK_OP_CREDIT_UPDATE = 6;
export const VSOCK_OP_CREDIT_REQUEST = 7;

/** Flags of SHUTDOWN: who sends it receives no more, sends no more. */
export const VSOCK_SHUTDOWN_RECEIVE = 1;
export const VSOCK_SHUTDOWN_SEND = 2;
export const VSOCK_SHUTDOWN_BOTH = VSOCK_SHUTDOWN_RECEIVE | VSOCK_SHUTDOWN_SEND;

/** The context identifier of the host. */
export const VSOCK_CID_HOST = 2n;

export interface VsockHeader {
  readonly sourceCid: bigint;
  readonly destinationCid: bigint;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Of the payload. */
  readonly byteLength: number;
  readonly type: number;
  readonly op: number;
  readonly flags: number;
  /** What the sender can hold in all. */
  readonly bufferByteLength: number;
  /** What the sender has taken out of its buffer so far, modulo 2^32. */
  readonly takenCount: number;
}

/** @param bytes VSOCK_HEADER_BYTE_LENGTH of them */
export function readVsockHeader(bytes: Uint8Array): VsockHeader {
  const view = dataView(bytes);
  return {
    sourceCid: view.getBigUint64(0, true),
    destinationCid: view.getBigUint64(8, true),
    sourcePort: view.getUint32(16, true),
    destinationPort: view.getUint32(20, true),
    byteLength: view.getUint32(24, true),
    type: view.getUint16(28, true),
    op: view.getUint16(30, true),
    flags: view.getUint32(32, true),
    bufferByteLength: view.getUint32(36, true),
    takenCount: view.getUint32(40, true),
  };
}

export function writeVsockHeader(header: VsockHeader): Uint8Array {
  const bytes = new Uint8Array(VSOCK_HEADER_BYTE_LENGTH);
  const view = dataView(bytes);
  view.setBigUint64(0, header.sourceCid, true);
  view.setBigUint64(8, header.destinationCid, true);
  view.setUint32(16, header.sourcePort, true);
  view.setUint32(20, header.destinationPort, true);
  view.setUint32(24, header.byteLength, true);
  view.setUint16(28, header.type, true);
  view.setUint16(30, header.op, true);
  view.setUint32(32, header.flags, true);
  view.setUint32(36, header.bufferByteLength, true);
  view.setUint32(40, header.takenCount, true);
  return bytes;
}
