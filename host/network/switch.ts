/** An Ethernet switch: joins the network devices of several machines, and any other link, into one network. */
import type { Frame, Link, Station } from "./link.js";
import { keyOf } from "./octets.js";

/** Addresses whose place is known; the oldest is forgotten, and frames to it go everywhere again. */
const ADDRESSES_MAX = 4096;
const ADDRESS_BYTE_LENGTH = 6;
const HEADER_BYTE_LENGTH = 14;

/** A place at the switch: where frames for it go, and whether they get through. */
interface Place {
  deliver(frame: Frame): boolean;
  /** It may send again what the switch has refused. */
  resume(): void;
}

/**
 * Frames go to where their destination was last seen as a source, and everywhere if it was not. A frame that just one
 * place is to have is refused while that place has no room; one for several is lost where there is none.
 */
export class Switch {
  readonly #places = new Set<Place>();
  readonly #addresses = new Map<string, Place>();
  /** Those who were refused because another place had no room. */
  readonly #waiting = new Map<Place, Set<Place>>();

  /** A place for a machine's network device. */
  port(): Link {
    return new SwitchPort({
      enter: (place) => this.#places.add(place),
      leave: (place) => this.#remove(place),
      forward: (place, frame) => this.#forward(place, frame),
      hasRoom: (place) => this.#resumed(place),
    });
  }

  /** Joins a link, such as a NAT, to the switch. */
  join(link: Link): void {
    const place: Place = { deliver: (frame) => link.send(frame), resume: () => link.resume() };
    this.#places.add(place);
    const station: Station = {
      receive: (frame) => this.#forward(place, frame),
      resume: () => this.#resumed(place),
      setLinkUp: () => {},
    };
    link.connect(station);
  }

  #forward(from: Place, frame: Frame): boolean {
    const { bytes } = frame;
    if (bytes.length < HEADER_BYTE_LENGTH) return true;
    this.#learn(keyOf(bytes.subarray(ADDRESS_BYTE_LENGTH, 2 * ADDRESS_BYTE_LENGTH)), from);
    const isGroup = (bytes[0]! & 1) !== 0;
    const place = isGroup ? undefined : this.#addresses.get(keyOf(bytes.subarray(0, ADDRESS_BYTE_LENGTH)));
    if (place === from) return true;
    if (place === undefined) {
      for (const each of this.#places) if (each !== from) each.deliver(frame);
      return true;
    }
    if (place.deliver(frame)) return true;
    const waiting = this.#waiting.get(place) ?? new Set();
    this.#waiting.set(place, waiting.add(from));
    return false;
  }

  #learn(address: string, place: Place): void {
    if ((address.charCodeAt(0) & 1) !== 0 || this.#addresses.get(address) === place) return;
    if (this.#addresses.size >= ADDRESSES_MAX) this.#addresses.delete(this.#addresses.keys().next().value!);
    this.#addresses.set(address, place);
  }

  #resumed(place: Place): void {
    const waiting = this.#waiting.get(place);
    this.#waiting.delete(place);
    for (const each of waiting ?? []) each.resume();
  }

  #remove(place: Place): void {
    this.#places.delete(place);
    for (const [address, known] of this.#addresses) if (known === place) this.#addresses.delete(address);
    this.#resumed(place);
    for (const waiting of this.#waiting.values()) waiting.delete(place);
  }
}

interface SwitchWires {
  enter(place: Place): void;
  leave(place: Place): void;
  forward(place: Place, frame: Frame): boolean;
  hasRoom(place: Place): void;
}

class SwitchPort implements Link {
  readonly #wires: SwitchWires;
  #place: Place | null = null;

  constructor(wires: SwitchWires) {
    this.#wires = wires;
  }

  connect(station: Station): void {
    if (this.#place !== null) this.#wires.leave(this.#place);
    this.#place = { deliver: (frame) => station.receive(frame), resume: () => station.resume() };
    this.#wires.enter(this.#place);
  }

  send(frame: Frame): boolean {
    return this.#place === null || this.#wires.forward(this.#place, frame);
  }

  resume(): void {
    if (this.#place !== null) this.#wires.hasRoom(this.#place);
  }

  async close(): Promise<void> {
    if (this.#place !== null) this.#wires.leave(this.#place);
    this.#place = null;
  }
}
