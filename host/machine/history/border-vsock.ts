import { VirtioVsock, type VsockListener } from "../../devices/virtio/vsock.js";
import type { VsockEvents, VsockStream } from "../../devices/virtio/vsock-connection.js";
import type { Eventual } from "../../util/task.js";
import type { Border, Question } from "./border.js";
import { type Input, readStreamAction, type StreamAction } from "./input.js";
import { isList, type RecordValue } from "./record-value.js";

const ACCEPTED: Question<boolean> = {
  name: "accepted",
  read: (value) => (typeof value === "boolean" ? value : undefined),
  fallback: false,
};

/** What the host did to a stream while it was told of something. */
const REACTIONS: Question<readonly StreamAction[]> = {
  name: "reactions",
  read(value) {
    if (!isList(value)) return undefined;
    const actions = value.map(readStreamAction);
    return actions.every((action) => action !== null) ? (actions as StreamAction[]) : undefined;
  },
  fallback: [],
};

const NOTHING = new Uint8Array();

/** A socket device, whose host's end is seen through the border. */
export class BorderVsock extends VirtioVsock {
  readonly #border: Border;
  readonly #device: number;
  readonly #listening = new Map<number, VsockListener>();
  #other: VsockListener | null = null;
  readonly #streams = new Map<number, BorderStream>();
  /** Streams that the guest began have even numbers, the host's have odd ones. */
  #lastOfGuest = 0;
  #lastOfHost = -1;

  constructor(border: Border, device: number, cid: number) {
    super(cid);
    this.#border = border;
    this.#device = device;
    super.otherListener = (stream) => this.#begun(stream);
    border.onReopened(() => {
      for (const stream of this.#streams.values()) stream.reopened();
    });
  }

  override listen(port: number, listener: VsockListener): () => void {
    this.refuseTaken(port, this.#listening.has(port));
    this.#listening.set(port, listener);
    return () => {
      if (this.#listening.get(port) === listener) this.#listening.delete(port);
    };
  }

  override set otherListener(listener: VsockListener | null) {
    this.#other = listener;
  }

  override connect(guestPort: number, events: VsockEvents): VsockStream {
    this.#lastOfHost += 2;
    const stream = this.#add(this.#lastOfHost, guestPort, events);
    this.#border.enter({ kind: "connect", device: this.#device, stream: this.#lastOfHost, guestPort });
    return stream;
  }

  /** After it, numbers begin anew: as in a machine that goes on from what is saved. */
  override stop(): void {
    super.stop();
    this.#lastOfGuest = 0;
  }

  override settle(): boolean {
    if (!super.settle()) return false;
    this.#lastOfGuest = 0;
    return true;
  }

  apply(input: Extract<Input, { kind: "connect" | "stream" }>): void {
    if (input.kind === "connect") {
      const stream = this.#streams.get(input.stream) ?? this.#add(input.stream, input.guestPort, null);
      stream.inner = super.connect(input.guestPort, stream);
    } else {
      this.#streams.get(input.stream)?.perform(input.action);
    }
  }

  #add(number: number, guestPort: number, host: VsockEvents | null): BorderStream {
    const input = (action: StreamAction): Input => ({ kind: "stream", device: this.#device, stream: number, action });
    const stream = new BorderStream(this.#border, guestPort, host, input, () => this.#streams.delete(number));
    this.#streams.set(number, stream);
    return stream;
  }

  /** The guest begins a connection. */
  #begun(inner: VsockStream): Eventual<VsockEvents | null> {
    this.#lastOfGuest += 2;
    const number = this.#lastOfGuest;
    const stream = this.#add(number, inner.guestPort, null);
    stream.inner = inner;
    const decide = (events: VsockEvents | null): boolean => {
      stream.host = events;
      return events !== null;
    };
    const accepted = this.#border.askLater(ACCEPTED, () => {
      const listener = this.#listening.get(inner.hostPort) ?? this.#other;
      const answer = listener === null ? null : listener(stream);
      return answer instanceof Promise ? answer.then(decide, () => false) : decide(answer);
    });
    const settle = (isAccepted: boolean): VsockEvents | null => {
      if (!isAccepted) this.#streams.delete(number);
      return isAccepted ? stream : null;
    };
    return accepted instanceof Promise ? accepted.then(settle) : settle(accepted);
  }
}

/** A stream as the host sees it, and as the device tells of it. What the host does to it is an input of the machine. */
class BorderStream implements VsockStream, VsockEvents {
  readonly guestPort: number;
  inner: VsockStream | null = null;
  host: VsockEvents | null;
  readonly #border: Border;
  readonly #input: (action: StreamAction) => Input;
  readonly #over: () => void;
  /** While the host is told of something: what it does. */
  #reactions: StreamAction[] | null = null;
  #isOver = false;
  #missedReadable = false;
  #missedWritable = false;

  constructor(
    border: Border,
    guestPort: number,
    host: VsockEvents | null,
    input: (action: StreamAction) => Input,
    over: () => void,
  ) {
    this.#border = border;
    this.guestPort = guestPort;
    this.host = host;
    this.#input = input;
    this.#over = over;
  }

  get hostPort(): number {
    return this.inner?.hostPort ?? 0;
  }

  get readableByteLength(): number {
    const byteLength = this.inner?.readableByteLength ?? 0;
    if (this.#isOver || this.#reactions !== null || this.#border.isOpen) return byteLength;
    this.#missedReadable ||= byteLength > 0;
    return 0;
  }

  read(maxByteLength: number): Uint8Array {
    const { inner } = this;
    const byteLength = Math.min(maxByteLength, inner?.readableByteLength ?? 0);
    if (inner === null || byteLength === 0) return NOTHING;
    const read = this.#act({ do: "read", byteLength }, () => inner.read(byteLength));
    this.#missedReadable ||= read === null;
    return read ?? NOTHING;
  }

  write(bytes: Uint8Array): number {
    const { inner } = this;
    const taken = inner === null ? null : this.#act({ do: "write", bytes: bytes.slice() }, () => inner.write(bytes));
    this.#missedWritable ||= taken === null;
    return taken ?? 0;
  }

  end(): void {
    this.#actSometime({ do: "end" });
  }

  reset(): void {
    this.#actSometime({ do: "reset" });
  }

  /** Does again what the host did. */
  perform(action: StreamAction): void {
    switch (action.do) {
      case "read":
        this.inner?.read(action.byteLength);
        return;
      case "write":
        this.inner?.write(action.bytes);
        return;
      case "end":
        this.inner?.end();
        return;
      case "reset":
        this.inner?.reset();
        return;
    }
  }

  opened(): void {
    this.#tell(() => this.host?.opened?.());
  }

  readable(): void {
    this.#tell(() => this.host?.readable());
  }

  writable(): void {
    this.#tell(() => this.host?.writable?.());
  }

  ended(): void {
    this.#tell(() => this.host?.ended());
  }

  closed(): void {
    this.#isOver = true;
    this.#over();
    this.#tell(() => this.host?.closed());
  }

  /** Things can enter again: tells the host what it could not do meanwhile. */
  reopened(): void {
    if (this.#missedReadable) {
      this.#missedReadable = false;
      this.host?.readable();
    }
    if (this.#missedWritable) {
      this.#missedWritable = false;
      this.host?.writable?.();
    }
  }

  /** @returns null when it cannot be done now */
  #act<T>(action: StreamAction, act: () => T): T | null {
    // Nothing of it reaches the guest any more.
    if (this.#isOver) return act();
    if (this.#reactions === null) return this.#border.enterNow(this.#input(action), act);
    this.#reactions.push(action);
    return act();
  }

  #actSometime(action: StreamAction): void {
    if (this.inner === null || this.#act(action, () => this.#done(action)) === null) {
      this.#border.enter(this.#input(action));
    }
  }

  #done(action: StreamAction): true {
    this.perform(action);
    return true;
  }

  /** Tells the host, amid what the guest or an input does; what it does in turn belongs to the answer. */
  #tell(event: () => void): void {
    const list: StreamAction[] = [];
    const actions = this.#border.ask(REACTIONS, () => list as unknown as RecordValue);
    if (!this.#border.isLive) {
      for (const action of actions) this.perform(action);
      return;
    }
    const before = this.#reactions;
    this.#reactions = list;
    try {
      event();
    } finally {
      this.#reactions = before;
    }
  }
}
