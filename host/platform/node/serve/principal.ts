import type { Role } from "../../../control/hypervisor/schemas.js";

/** Who makes a request. */
export interface Principal {
  readonly tokenId: string;
  readonly label: string;
  readonly role: Role;
}

const RANKS: Readonly<Record<Role, number>> = { viewer: 0, operator: 1, admin: 2 };

/** Whether a role may do what `needed` may: each includes those before it. */
export function mayActAs(role: Role, needed: Role): boolean {
  return RANKS[role] >= RANKS[needed];
}
