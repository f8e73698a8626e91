/**
 * Virtio socket device: streams between ports of the guest and ports of the host.
 *
 * | offset | configuration space     |
 * |--------|-------------------------|
 * | 0      | guest_cid u64           |
 *
 * | queue | carries                                       |
 * |-------|-----------------------------------------------|
 * | 0     | packets to the guest                          |
 * | 1     | packets from the guest                        |
 * | 2     | events to the guest: id u32, 0 for a reset    |
 *
 * A connection does not survive its machine's being saved and restored elsewhere: the guest is then told that all are
 * gone, and its programs get ECONNRESET.
 *
 * Source: virtio 1.2 section 5.10.
 */
import { dataView } from "../../util/bytes.js";
import { assert, VivariumError } from "../../util/errors.js";
import { flag, type StateOf, schema } from "../../util/schema.js";
import type { Eventual } from "../../util/task.js";
import type { DescriptorChain } from "./descriptor-chain.js";
import { featureSet, VIRTIO_ID_SOCKET, type VirtioDevice, type VirtioDriver } from "./virtio-device.js";
import type { Virtqueue } from "./virtqueue.js";
import { VSOCK_BUFFER_BYTE_LENGTH, VsockConnection, type VsockEvents, type VsockStream } from "./vsock-connection.js";
import {
  readVsockHeader,
  VSOCK_CID_HOST,
  VSOCK_HEADER_BYTE_LENGTH,
  VSOCK_OP_CREDIT_REQUEST,
  VSOCK_OP_CREDIT_UPDATE,
  VSOCK_OP_REQUEST,
  VSOCK_OP_RESPONSE,
  VSOCK_OP_RST,
  VSOCK_OP_RW,
  VSOCK_OP_SHUTDOWN,
  VSOCK_TYPE_STREAM,
  type VsockHeader,
  writeVsockHeader,
} from "./vsock-packet.js";

const VIRTIO_VSOCK_F_STREAM = 0;
const TO_GUEST = 0;
const FROM_GUEST = 1;
const EVENTS = 2;
const QUEUE_MAX_SIZE = 128;
const CONFIG_BYTE_LENGTH = 8;
const EVENT_TRANSPORT_RESET = 0;
const EVENT_BYTE_LENGTH = 4;

/** Connections that there can be; with their buffers this bounds our memory. */
export const VSOCK_CONNECTIONS_MAX = 1024;
/** Refusals and resets that wait for the guest's buffers; then its packets wait, too. */
const REFUSALS_MAX = 128;
/** 0, 1 and 2 mean something else; the last means any. */
export const VSOCK_CID_MIN = 3;
export const VSOCK_CID_MAX = 0xffff_fffe;
/** Where the host's own ends get their numbers from. */
const FIRST_OWN_PORT = 0xc000_0000;

const vsockSchema = schema("virtio-vsock", 1, {
  owesReset: flag("the guest has yet to be told that its connections are gone"),
});
type VsockFields = typeof vsockSchema.fields;
type VsockState = StateOf<VsockFields>;

/** Takes or refuses a connection that the guest begins: null refuses it. The guest waits for a promise's answer. */
export type VsockListener = (stream: VsockStream) => Eventual<VsockEvents | null>;

interface Ports {
  readonly hostPort: number;
  readonly guestPort: number;
}

export class VirtioVsock implements VirtioDevice<VsockFields> {
  readonly schema = vsockSchema;
  readonly deviceId = VIRTIO_ID_SOCKET;
  readonly features = featureSet(VIRTIO_VSOCK_F_STREAM);
  readonly queueMaxSizes = [QUEUE_MAX_SIZE, QUEUE_MAX_SIZE, QUEUE_MAX_SIZE];
  readonly configGeneration = 0;
  readonly config = new Uint8Array(CONFIG_BYTE_LENGTH);
  readonly cid: number;
  readonly #listeners = new Map<number, VsockListener>();
  #otherListener: VsockListener | null = null;
  readonly #connections = new Map<string, VsockConnection>();
  /** Those that have something to send, in the order of their turns. */
  readonly #senders = new Set<VsockConnection>();
  #refusals: Ports[] = [];
  #owesReset = false;
  #isDelivering = false;
  #nextOwnPort = FIRST_OWN_PORT;
  #driver: VirtioDriver | null = null;

  /** @param cid the guest's address, 3 to 2^32 - 2 @throws VivariumError `vsock/cid` */
  constructor(cid: number) {
    if (!Number.isInteger(cid) || cid < VSOCK_CID_MIN || cid > VSOCK_CID_MAX) {
      const message = `a guest's context identifier is ${VSOCK_CID_MIN} to ${VSOCK_CID_MAX}, not ${cid}`;
      throw new VivariumError("vsock/cid", message, { cid });
    }
    this.cid = cid;
    dataView(this.config).setBigUint64(0, BigInt(cid), true);
  }

  /** Offers a port of the host to the guest. @returns a function that takes it back; connections stay */
  listen(port: number, listener: VsockListener): () => void {
    this.refuseTaken(port, this.#listeners.has(port));
    this.#listeners.set(port, listener);
    return () => {
      if (this.#listeners.get(port) === listener) this.#listeners.delete(port);
    };
  }

  protected refuseTaken(port: number, isTaken: boolean): void {
    if (!isTaken) return;
    throw new VivariumError("vsock/port", `vsock port ${port} of the host is listened on already`, { port });
  }

  /** Offers all ports that nobody listens on, or none of them. */
  set otherListener(listener: VsockListener | null) {
    this.#otherListener = listener;
  }

  /**
   * Begins a connection to a port of the guest. One that the guest refuses, or that there is no room for, is `closed`.
   */
  connect(guestPort: number, events: VsockEvents): VsockStream {
    const connection = this.#createConnection({ hostPort: this.#ownPort(guestPort), guestPort });
    connection.request(events);
    if (this.#connections.size > VSOCK_CONNECTIONS_MAX) this.#drop(connection);
    return connection;
  }

  /** How many connections there are. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /**
   * Lets go of what a device that is loaded with this one's saved state would not have.
   *
   * @returns false when that cannot be: there are connections
   */
  settle(): boolean {
    if (this.#connections.size > 0 || this.#hasPackets) return false;
    this.#nextOwnPort = FIRST_OWN_PORT;
    return true;
  }

  writeConfig(): void {}

  start(driver: VirtioDriver): void {
    this.#driver = driver;
    this.#sendEvent();
    this.#deliver();
  }

  kick(queueIndex: number): void {
    switch (queueIndex) {
      case TO_GUEST:
        this.#deliver();
        // Packets may have waited for room for their refusals.
        this.#takePackets();
        return;
      case FROM_GUEST:
        this.#takePackets();
        return;
      case EVENTS:
        this.#sendEvent();
        return;
      default:
        assert(false, `virtio-vsock: kick of queue ${queueIndex}`);
    }
  }

  /** All connections are over. */
  stop(): void {
    this.#driver = null;
    this.#owesReset = false;
    this.#refusals = [];
    const connections = [...this.#connections.values()];
    this.#connections.clear();
    this.#senders.clear();
    for (const connection of connections) connection.abort();
    this.#senders.clear();
  }

  /** Who listens for the host stays. */
  reset(): void {
    this.stop();
  }

  save(): VsockState {
    return { owesReset: this.#owesReset || this.#connections.size > 0 };
  }

  load(state: VsockState): void {
    this.stop();
    this.#owesReset = state.owesReset;
  }

  #ownPort(guestPort: number): number {
    for (;;) {
      const port = this.#nextOwnPort;
      this.#nextOwnPort = port >= 0xffff_fffe ? FIRST_OWN_PORT : port + 1;
      if (!this.#connections.has(keyOf({ hostPort: port, guestPort }))) return port;
    }
  }

  #createConnection(ports: Ports): VsockConnection {
    const connection = new VsockConnection(ports.hostPort, ports.guestPort, (changed) => {
      // What is over has but its reset to send: they are counted, or a guest that takes none could pile them up.
      if (changed.isOver) this.#bury(changed);
      else if (changed.hasPacket) this.#senders.add(changed);
      this.#deliver();
    });
    this.#connections.set(keyOf(ports), connection);
    return connection;
  }

  /** A connection is over, and the guest has to hear of it. */
  #bury(connection: VsockConnection): void {
    this.#senders.delete(connection);
    this.#forgetIfOver(connection);
    this.#refusals.push({ hostPort: connection.hostPort, guestPort: connection.guestPort });
  }

  #forgetIfOver(connection: VsockConnection): void {
    const key = keyOf(connection);
    if (connection.isOver && this.#connections.get(key) === connection) this.#connections.delete(key);
  }

  #takePackets(): void {
    const driver = this.#driver;
    if (driver === null || this.#refusals.length >= REFUSALS_MAX) return;
    const queue = driver.queue(FROM_GUEST);
    for (const chain of queue.chains()) {
      const { byteLength } = chain.readable;
      if (byteLength < VSOCK_HEADER_BYTE_LENGTH || byteLength > VSOCK_HEADER_BYTE_LENGTH + VSOCK_BUFFER_BYTE_LENGTH) {
        driver.needsReset(`a socket packet of ${byteLength} bytes`);
        return;
      }
      const packet = chain.readable.bytes(0, byteLength);
      queue.push(chain, 0);
      this.#take(readVsockHeader(packet), packet.subarray(VSOCK_HEADER_BYTE_LENGTH));
      if (driver !== this.#driver) return;
      this.#deliver();
      if (this.#refusals.length >= REFUSALS_MAX) break;
    }
    queue.notify();
  }

  #take(header: VsockHeader, payload: Uint8Array): void {
    // Whoever it is for or from: it is not for us, and there is nobody to answer.
    if (header.sourceCid !== BigInt(this.cid) || header.destinationCid !== VSOCK_CID_HOST) return;
    const ports = { hostPort: header.destinationPort, guestPort: header.sourcePort };
    const connection = this.#connections.get(keyOf(ports));
    if (header.type !== VSOCK_TYPE_STREAM || header.byteLength > payload.length) {
      if (connection !== undefined) this.#drop(connection);
      this.#refuse(header, ports);
    } else if (connection === undefined) {
      this.#takeFirst(header, ports);
    } else {
      const keepsRules = this.#takeNext(connection, header, payload.subarray(0, header.byteLength));
      if (!keepsRules) connection.reset();
      this.#forgetIfOver(connection);
    }
  }

  /** A packet of no connection: to begin one, or refused. */
  #takeFirst(header: VsockHeader, ports: Ports): void {
    const claimed = this.#listeners.get(ports.hostPort) ?? this.#otherListener;
    const listener = header.op === VSOCK_OP_REQUEST ? claimed : null;
    if (listener === null || this.#connections.size >= VSOCK_CONNECTIONS_MAX) {
      this.#refuse(header, ports);
      return;
    }
    const connection = this.#createConnection(ports);
    const settle = (events: VsockEvents | null) => {
      if (events === null) connection.reset();
      else if (connection.isOver) events.closed();
      else connection.accept(header, events);
    };
    const answer = listener(connection);
    if (answer instanceof Promise) {
      answer.then(settle, () => settle(null));
    } else {
      settle(answer);
    }
  }

  /** @returns false when the guest has broken the rules */
  #takeNext(connection: VsockConnection, header: VsockHeader, payload: Uint8Array): boolean {
    switch (header.op) {
      case VSOCK_OP_RESPONSE:
        return connection.confirm(header);
      case VSOCK_OP_RW:
        return connection.receive(header, payload);
      case VSOCK_OP_CREDIT_UPDATE:
      case VSOCK_OP_CREDIT_REQUEST:
        connection.learnCredit(header, header.op === VSOCK_OP_CREDIT_REQUEST);
        return true;
      case VSOCK_OP_SHUTDOWN:
        connection.shutDown(header.flags);
        return true;
      case VSOCK_OP_RST:
        this.#drop(connection);
        return true;
      default:
        return false;
    }
  }

  /** A connection is over, and the guest knows. */
  #drop(connection: VsockConnection): void {
    connection.abort();
    this.#senders.delete(connection);
    this.#forgetIfOver(connection);
  }

  /** A refusal is never refused. */
  #refuse({ op }: VsockHeader, ports: Ports): void {
    if (op !== VSOCK_OP_RST) this.#refusals.push(ports);
  }

  /** Sends what there is to send, each connection a packet in turn, as far as there are buffers. */
  #deliver(): void {
    const driver = this.#driver;
    if (driver === null || this.#isDelivering || !this.#hasPackets) return;
    this.#isDelivering = true;
    try {
      const queue = driver.queue(TO_GUEST);
      for (const chain of queue.chains()) {
        if (chain.writable.byteLength < VSOCK_HEADER_BYTE_LENGTH) {
          driver.needsReset(`a buffer of ${chain.writable.byteLength} bytes for socket packets`);
          return;
        }
        this.#sendPacket(queue, chain);
        if (driver !== this.#driver || !this.#hasPackets) break;
      }
      queue.notify();
    } finally {
      this.#isDelivering = false;
    }
  }

  get #hasPackets(): boolean {
    return this.#refusals.length > 0 || this.#senders.size > 0;
  }

  #sendPacket(queue: Virtqueue, chain: DescriptorChain): void {
    const refusal = this.#refusals.shift();
    if (refusal !== undefined) {
      this.#write(queue, chain, refusal, { bufferByteLength: 0, takenCount: 0 }, VSOCK_OP_RST);
      return;
    }
    const [connection] = this.#senders as Iterable<VsockConnection> as [VsockConnection];
    this.#senders.delete(connection);
    const { op, flags, payload } = connection.next(chain.writable.byteLength - VSOCK_HEADER_BYTE_LENGTH);
    this.#write(queue, chain, connection, connection.credit(), op, flags, payload);
    if (connection.hasPacket) this.#senders.add(connection);
    connection.offerRoom();
  }

  #write(
    queue: Virtqueue,
    chain: DescriptorChain,
    { hostPort, guestPort }: Ports,
    credit: Pick<VsockHeader, "bufferByteLength" | "takenCount">,
    op: number,
    flags = 0,
    payload: Uint8Array = new Uint8Array(),
  ): void {
    const header = writeVsockHeader({
      sourceCid: VSOCK_CID_HOST,
      destinationCid: BigInt(this.cid),
      sourcePort: hostPort,
      destinationPort: guestPort,
      byteLength: payload.length,
      type: VSOCK_TYPE_STREAM,
      op,
      flags,
      ...credit,
    });
    chain.writable.write(0, header);
    chain.writable.write(header.length, payload);
    queue.push(chain, header.length + payload.length);
  }

  #sendEvent(): void {
    if (this.#driver === null || !this.#owesReset) return;
    const queue = this.#driver.queue(EVENTS);
    for (const chain of queue.chains()) {
      const event = new Uint8Array(Math.min(EVENT_BYTE_LENGTH, chain.writable.byteLength)).fill(EVENT_TRANSPORT_RESET);
      chain.writable.write(0, event);
      queue.push(chain, event.length);
      this.#owesReset = false;
      break;
    }
    queue.notify();
  }
}

function keyOf({ hostPort, guestPort }: Ports): string {
  return `${hostPort}:${guestPort}`;
}
