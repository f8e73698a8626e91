import { bytes, flag, type LiveStateOf, type StateOf, struct } from "../../util/schema.js";

export const MAC_BYTE_LENGTH = 6;
/** Addresses of one kind that the device filters by; with more, it lets all of that kind through. */
const TABLE_MAX = 64;

const fields = {
  promiscuous: flag("every frame is let through"),
  allMulticast: flag("every frame to a group is let through"),
  allUnicast: flag("every frame to a station is let through"),
  noMulticast: flag("no frame to a group other than all stations is let through"),
  noUnicast: flag("no frame to a station is let through"),
  noBroadcast: flag("no frame to all stations is let through"),
  unicast: bytes("addresses besides the device's own, 6 bytes each", TABLE_MAX * MAC_BYTE_LENGTH),
  multicast: bytes("addresses of groups, 6 bytes each", TABLE_MAX * MAC_BYTE_LENGTH),
  unicastOverflow: flag("the driver gave more unicast addresses than there is room for"),
  multicastOverflow: flag("the driver gave more group addresses than there is room for"),
};
export type NetFilterState = StateOf<typeof fields>;
export const netFilterState = struct("which frames the driver wants", fields);

export type NetFilterFlag = "promiscuous" | "allMulticast" | "allUnicast" | "noMulticast" | "noUnicast" | "noBroadcast";

/** Everything passes until a driver says otherwise. */
const INITIAL: NetFilterState = {
  promiscuous: true,
  allMulticast: false,
  allUnicast: false,
  noMulticast: false,
  noUnicast: false,
  noBroadcast: false,
  unicast: new Uint8Array(),
  multicast: new Uint8Array(),
  unicastOverflow: false,
  multicastOverflow: false,
};

/** Which frames a driver wants to see, by their destination. Virtio 1.2 sections 5.1.6.5.1 and 5.1.6.5.2. */
export class NetFilter {
  #state: LiveStateOf<typeof fields> = { ...INITIAL };

  set(flag: NetFilterFlag, isOn: boolean): void {
    this.#state[flag] = isOn;
  }

  /** @param unicast,multicast whole addresses */
  setTables(unicast: Uint8Array, multicast: Uint8Array): void {
    const limit = TABLE_MAX * MAC_BYTE_LENGTH;
    this.#state.unicastOverflow = unicast.length > limit;
    this.#state.multicastOverflow = multicast.length > limit;
    this.#state.unicast = unicast.slice(0, limit);
    this.#state.multicast = multicast.slice(0, limit);
  }

  /** @param frame of at least 6 bytes */
  accepts(frame: Uint8Array, ownAddress: Uint8Array): boolean {
    const state = this.#state;
    if (state.promiscuous) return true;
    if (isBroadcast(frame)) return !state.noBroadcast;
    if ((frame[0]! & 1) !== 0) {
      if (state.noMulticast) return false;
      return state.allMulticast || state.multicastOverflow || contains(state.multicast, frame);
    }
    if (state.noUnicast) return false;
    return (
      state.allUnicast || startsWith(frame, ownAddress, 0) || state.unicastOverflow || contains(state.unicast, frame)
    );
  }

  reset(): void {
    this.#state = { ...INITIAL };
  }

  save(): NetFilterState {
    return { ...this.#state };
  }

  load(state: NetFilterState): void {
    this.#state = { ...state };
  }
}

function isBroadcast(frame: Uint8Array): boolean {
  for (let index = 0; index < MAC_BYTE_LENGTH; index++) if (frame[index] !== 0xff) return false;
  return true;
}

function contains(table: Uint8Array, frame: Uint8Array): boolean {
  for (let entry = 0; entry + MAC_BYTE_LENGTH <= table.length; entry += MAC_BYTE_LENGTH) {
    if (startsWith(frame, table, entry)) return true;
  }
  return false;
}

function startsWith(frame: Uint8Array, address: Uint8Array, offset: number): boolean {
  for (let index = 0; index < MAC_BYTE_LENGTH; index++) if (frame[index] !== address[offset + index]) return false;
  return true;
}
