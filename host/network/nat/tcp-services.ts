import type { NetworkClock } from "../link.js";
import type { StreamFailure } from "./outside.js";
import type { StreamMemory } from "./stream-memory.js";
import type { AckTime } from "./tcp-acknowledgment.js";
import type { TcpConnection } from "./tcp-connection.js";
import type { TcpSegment } from "./tcp-segment.js";
import type { Wire } from "./wire.js";

/** What connections need of what they are part of. */
export interface TcpServices {
  readonly wire: Wire;
  readonly clock: NetworkClock;
  readonly memory: StreamMemory;
  /** Calls `flushAck` of the connection: when what is running now has come to its end, or after 2 ms. */
  requestAck(connection: TcpConnection, when: AckTime): void;
  /** Calls `pump` of the connection when the wire is free again. */
  awaitWire(connection: TcpConnection): void;
  /** The outside did not accept: the guest is told in the connection's place. */
  refused(connection: TcpConnection, failure: StreamFailure, syn: TcpSegment): void;
  /** The connection is no more. */
  closed(connection: TcpConnection): void;
}
