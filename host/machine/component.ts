import type { Fields, Schema, StateOf } from "../util/schema.js";

/** Something with named state that is saved and loaded with its machine. Devices are components, and a few others. */
export interface Component<F extends Fields = Fields> {
  readonly schema: Schema<F>;
  reset(): void;
  save(): StateOf<F>;
  load(state: StateOf<F>): void;
  /**
   * The machine goes on beside another that has the same state: takes what must not be the same in both, such as keys
   * and addresses, anew. Components that have nothing of the kind leave it out.
   */
  renewIdentity?(randomBytes: (into: Uint8Array) => void): void;
}
