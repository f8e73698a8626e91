import { foldSum } from "../checksum.js";
import { write16 } from "../octets.js";
import { PROTOCOL_TCP } from "./ip.js";
import type { Endpoint } from "./outside.js";
import { TCP_CHECKSUM, TCP_HEADER_BYTE_LENGTH, type TcpFields, type TcpPorts, writeTcpHeader } from "./tcp-segment.js";
import { transportSum, type Wire } from "./wire.js";

const IPV4_OVERHEAD = 40;
const IPV6_OVERHEAD = 60;

/** Puts a connection's segments on the guest's wire. */
export class TcpOutput {
  readonly #guest: Endpoint;
  readonly #wire: Wire;
  readonly #header: { readonly source: Uint8Array; readonly destination: Uint8Array; readonly protocol: number };
  readonly #ports: TcpPorts;
  /** The pseudo header's, without a length. */
  readonly #sum: number;

  constructor(guest: Endpoint, remote: Endpoint, wire: Wire) {
    this.#guest = guest;
    this.#wire = wire;
    this.#header = { source: remote.address, destination: guest.address, protocol: PROTOCOL_TCP };
    this.#ports = { sourcePort: remote.port, destinationPort: guest.port };
    this.#sum = transportSum(this.#header, 0);
  }

  /** The largest segment that fits a frame, in bytes of data. */
  get mss(): number {
    return this.#wire.mtu - (this.#guest.address.length === 4 ? IPV4_OVERHEAD : IPV6_OVERHEAD);
  }

  /**
   * Sends a segment now.
   *
   * @param byteLength of its data
   * @param mss what is longer is cut into segments of this on its way
   * @param read copies the data into the frame
   */
  emit(segment: TcpFields, byteLength: number, mss: number, read?: (into: Uint8Array) => void): void {
    const headerByteLength = TCP_HEADER_BYTE_LENGTH + segment.options.length;
    const { bytes, start } = this.#wire.newPacket(this.#header, headerByteLength + byteLength);
    writeTcpHeader(bytes, start, this.#ports, segment);
    read?.(bytes.subarray(start + headerByteLength));
    write16(bytes, start + TCP_CHECKSUM, foldSum(this.#sum + headerByteLength + byteLength));
    const kind = this.#guest.address.length === 4 ? "tcp4" : "tcp6";
    this.#wire.emitTo(this.#guest.address, {
      bytes,
      checksum: { start, offset: TCP_CHECKSUM },
      segmentation: byteLength > mss ? { kind, payloadByteLength: mss } : null,
    });
  }
}
