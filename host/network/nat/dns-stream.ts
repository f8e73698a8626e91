import { joinBytes, read16, write16 } from "../octets.js";
import type { DnsServer } from "./dns.js";
import type { OutsideStream, StreamEvents } from "./outside.js";

/** Questions in work on one stream; the guest waits with more. */
const QUESTIONS_MAX = 16;

/** The name server over TCP: messages with their length before them. RFC 7766. */
export class DnsStream implements OutsideStream {
  readonly pendingByteLength = 0;
  readonly #server: DnsServer;
  readonly #events: StreamEvents;
  #input: Uint8Array = new Uint8Array();
  #openCount = 0;
  /** The guest does not take the answers; questions are lost then, or what it is owed would grow without end. */
  #isPaused = false;
  #isEnded = false;
  #isDead = false;

  constructor(server: DnsServer, events: StreamEvents, defer: (callback: () => void) => void) {
    this.#server = server;
    this.#events = events;
    defer(() => {
      if (!this.#isDead) events.connected();
    });
  }

  write(bytes: Uint8Array): void {
    this.#input = joinBytes(this.#input, bytes);
    while (this.#input.length >= 2) {
      const end = 2 + read16(this.#input, 0);
      if (this.#input.length < end) return;
      const message = this.#input.slice(2, end);
      this.#input = this.#input.slice(end);
      if (this.#openCount < QUESTIONS_MAX && !this.#isPaused) void this.#answer(message);
    }
  }

  end(): void {
    this.#isEnded = true;
    this.#finish();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
  }

  abort(): void {
    this.#isDead = true;
  }

  async #answer(message: Uint8Array): Promise<void> {
    this.#openCount++;
    const answer = await this.#server.answer(message);
    this.#openCount--;
    if (this.#isDead) return;
    if (answer !== null) {
      const length = new Uint8Array(2);
      write16(length, 0, answer.length);
      this.#events.received(joinBytes(length, answer));
    }
    this.#finish();
  }

  #finish(): void {
    if (!this.#isEnded || this.#openCount > 0 || this.#isDead) return;
    this.#isDead = true;
    this.#events.ended();
    this.#events.closed();
  }
}
