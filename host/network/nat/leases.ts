import { keyOf } from "../octets.js";
import { FIRST_GUEST, guestAddress4, guestAddress6 } from "./addresses.js";

/** Addresses from .15 to .254. */
const GUESTS_MAX = 255 - FIRST_GUEST;

/** Which guest has which address: by Ethernet address, in the order in which they first ask. */
export class Leases {
  readonly #numbers = new Map<string, number>();
  #newest = 0;

  /**
   * The IPv4 address of whoever came last. A machine that goes on from its file asks by its old Ethernet address until
   * it learns of its new one, so it may come twice.
   */
  get newest4(): Uint8Array {
    return guestAddress4(this.#newest);
  }

  /** The guest's IPv4 address; null when all are taken. */
  address4(mac: Uint8Array): Uint8Array | null {
    const number = this.#numberOf(mac);
    return number === null ? null : guestAddress4(number);
  }

  /** The same guest's IPv6 address. */
  address6(mac: Uint8Array): Uint8Array | null {
    const number = this.#numberOf(mac);
    return number === null ? null : guestAddress6(number);
  }

  #numberOf(mac: Uint8Array): number | null {
    const key = keyOf(mac);
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    if (this.#numbers.size >= GUESTS_MAX) return null;
    const number = this.#numbers.size;
    this.#numbers.set(key, number);
    this.#newest = number;
    return number;
  }
}
