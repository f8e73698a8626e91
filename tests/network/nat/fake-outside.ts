import { formatAddress } from "../../../host/network/address.js";
import type {
  DatagramEvents,
  Endpoint,
  NameAnswer,
  Outside,
  OutsideDatagrams,
  OutsideStream,
  StreamEvents,
} from "../../../host/network/nat/outside.js";

/** A host stream that does what the test says. */
export class FakeStream implements OutsideStream {
  readonly to: string;
  readonly events: StreamEvents;
  readonly written: Buffer[] = [];
  /** What `pendingByteLength` says; nothing is ever taken otherwise. */
  pendingByteLength = 0;
  isEnded = false;
  isPaused = false;
  isAborted = false;
  /** Whether what is written stays pending. */
  isStuck = false;

  constructor(to: Endpoint | null, events: StreamEvents) {
    this.to = to === null ? "" : `${formatAddress(to.address)}:${to.port}`;
    this.events = events;
  }

  write(bytes: Uint8Array): void {
    this.written.push(Buffer.from(bytes));
    if (this.isStuck) this.pendingByteLength += bytes.length;
  }

  end(): void {
    this.isEnded = true;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  abort(): void {
    this.isAborted = true;
  }
}

export interface FakeSocket extends OutsideDatagrams {
  readonly sent: { readonly to: string; readonly data: Buffer }[];
  readonly isClosed: boolean;
  deliver(data: Buffer, from: Endpoint): void;
  refuse(to: Endpoint): void;
}

/** A network outside that is the test, with a clock that stands still until it is advanced. */
export class FakeOutside implements Outside {
  readonly streams: FakeStream[] = [];
  readonly sockets: FakeSocket[] = [];
  answer: NameAnswer = { kind: "unknown" };
  #nowMs = 0;
  #timers: { readonly atMs: number; readonly callback: () => void }[] = [];
  #deferred: (() => void)[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + ms, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  get timerCount(): number {
    return this.#timers.length;
  }

  /** Time passes, and what is due happens in its order. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const due = this.#timers.filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.callback();
      this.settle();
    }
    this.#nowMs = untilMs;
  }

  /** What was put off happens. */
  settle(): void {
    while (this.#deferred.length > 0) this.#deferred.shift()!();
  }

  connect(to: Endpoint, events: StreamEvents): OutsideStream {
    const stream = new FakeStream(to, events);
    this.streams.push(stream);
    return stream;
  }

  openDatagrams(_byteLength: number, events: DatagramEvents): OutsideDatagrams {
    const sent: { to: string; data: Buffer }[] = [];
    const socket = {
      sent,
      isClosed: false,
      send: (bytes: Uint8Array, { address, port }: Endpoint) => {
        sent.push({ to: `${formatAddress(address)}:${port}`, data: Buffer.from(bytes) });
      },
      close: () => {
        socket.isClosed = true;
      },
      deliver: (data: Buffer, from: Endpoint) => events.received(data, from),
      refuse: (to: Endpoint) => events.refused(to),
    };
    this.sockets.push(socket);
    return socket;
  }

  async resolve(): Promise<NameAnswer> {
    return this.answer;
  }

  async query(): Promise<Uint8Array | null> {
    return null;
  }

  defer(callback: () => void): void {
    this.#deferred.push(callback);
  }

  randomBytes(into: Uint8Array): void {
    into.fill(0x11);
  }
}
