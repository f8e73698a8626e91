import type { NetworkClock } from "../link.js";
import { keyOf } from "../octets.js";

/** Packets that wait for one address: RFC 1122 section 2.3.2.2 asks for one at least; the latest are kept. */
const PACKETS_MAX = 16;
/** Addresses that are asked for at the same time; the one asked for first makes way. */
const ADDRESSES_MAX = 16;
/** An address is asked for so often, and so far apart, and then given up: RFC 4861 section 10. */
const QUESTIONS_MAX = 3;
const QUESTION_INTERVAL_MS = 1000;

type Send = (mac: Uint8Array) => void;

interface Sought {
  readonly packets: Send[];
  questionCount: number;
  cancelTimer: () => void;
}

/** Packets to guests whose Ethernet address is being asked for. */
export class Unresolved {
  readonly #clock: NetworkClock;
  readonly #ask: (address: Uint8Array) => void;
  readonly #sought = new Map<string, Sought>();

  constructor(clock: NetworkClock, ask: (address: Uint8Array) => void) {
    this.#clock = clock;
    this.#ask = ask;
  }

  /** @param send is called when the address is found; never, if nobody has it */
  add(address: Uint8Array, send: Send): void {
    const key = keyOf(address);
    const known = this.#sought.get(key);
    if (known !== undefined) {
      if (known.packets.length >= PACKETS_MAX) known.packets.shift();
      known.packets.push(send);
      return;
    }
    if (this.#sought.size >= ADDRESSES_MAX) this.#take(this.#sought.keys().next().value!);
    const sought: Sought = { packets: [send], questionCount: 0, cancelTimer: () => {} };
    this.#sought.set(key, sought);
    this.#question(address.slice(), key, sought);
  }

  /** Sends what has waited for the address. */
  found(address: Uint8Array, mac: Uint8Array): void {
    if (this.#sought.size === 0) return;
    for (const send of this.#take(keyOf(address))) send(mac);
  }

  clear(): void {
    for (const { cancelTimer } of this.#sought.values()) cancelTimer();
    this.#sought.clear();
  }

  #question(address: Uint8Array, key: string, sought: Sought): void {
    if (sought.questionCount === QUESTIONS_MAX) {
      this.#sought.delete(key);
      return;
    }
    sought.questionCount++;
    sought.cancelTimer = this.#clock.after(QUESTION_INTERVAL_MS, () => this.#question(address, key, sought));
    this.#ask(address);
  }

  #take(key: string): readonly Send[] {
    const sought = this.#sought.get(key);
    if (sought === undefined) return [];
    sought.cancelTimer();
    this.#sought.delete(key);
    return sought.packets;
  }
}
