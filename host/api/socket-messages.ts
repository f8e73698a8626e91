/** What is said of sockets between the program and the machine's worker. Those that the program begins count up from 1, the guest's down from -1. */
export type ToGuestSocket =
  | { readonly kind: "connect"; readonly id: number; readonly port: number }
  /** Whether the guest may connect to this port of the host. */
  | { readonly kind: "listen"; readonly port: number; readonly isOffered: boolean }
  | { readonly kind: "write"; readonly id: number; readonly bytes: Uint8Array }
  /** So much of what came has found a reader. */
  | { readonly kind: "taken"; readonly id: number; readonly byteLength: number }
  | { readonly kind: "end"; readonly id: number }
  | { readonly kind: "reset"; readonly id: number };

export type FromGuestSocket =
  /** The guest has connected to `port` of the host. */
  | { readonly kind: "accepted"; readonly id: number; readonly port: number; readonly guestPort: number }
  | { readonly kind: "opened"; readonly id: number }
  | { readonly kind: "data"; readonly id: number; readonly bytes: Uint8Array }
  /** So much of what was written is on its way into the guest. */
  | { readonly kind: "written"; readonly id: number; readonly byteLength: number }
  /** The guest sends no more. */
  | { readonly kind: "ended"; readonly id: number }
  /** It is over; nothing is said of it any more. */
  | { readonly kind: "closed"; readonly id: number };
