import type { HypervisorAction } from "../hypervisor/actions.js";

/** Something asked of a daemon, which runs here or elsewhere. */
export interface DaemonAction {
  readonly action: "daemon";
  readonly connection: ConnectionRequest;
  /** Whether the answer is printed as JSON. */
  readonly json: boolean;
  readonly command: DaemonCommand;
}

/** Which daemon; without anything that of this user. */
export interface ConnectionRequest {
  readonly host?: string;
  readonly token?: string;
}

export type DaemonCommand =
  /** An action of the hypervisor's table, and its answer. */
  | { readonly kind: "perform"; readonly request: HypervisorAction }
  /** Several, one after the other, until one fails. */
  | { readonly kind: "perform-each"; readonly requests: readonly HypervisorAction[] }
  /** Any action of the table by its name, with its input as JSON. */
  | { readonly kind: "api"; readonly name: string; readonly input: string }
  /** Connects this terminal to the machine's console. */
  | { readonly kind: "attach"; readonly machine: string }
  /** One word is a line for the guest's shell, several are a command. */
  | { readonly kind: "exec"; readonly machine: string; readonly words: readonly string[]; readonly terminal: boolean }
  | { readonly kind: "follow-logs"; readonly machine: string }
  /** With the last of what happened before. */
  | { readonly kind: "follow-events"; readonly last: number }
  | { readonly kind: "export"; readonly machine: string; readonly output?: string; readonly passphraseFile?: string }
  /** From standard input without a file. */
  | { readonly kind: "import"; readonly machine: string; readonly input?: string; readonly passphraseFile?: string }
  | { readonly kind: "top"; readonly intervalMs: number };

/** What the options of every command about a daemon say. */
export interface ConnectionOptions {
  readonly host?: string;
  readonly token?: string;
  readonly json?: boolean;
}

export function daemonAction(command: DaemonCommand, { host, token, json = false }: ConnectionOptions): DaemonAction {
  return {
    action: "daemon",
    connection: { ...(host === undefined ? {} : { host }), ...(token === undefined ? {} : { token }) },
    json,
    command,
  };
}

const MACHINE_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * Whether a word of a command that is about machine files as well names a machine of the daemon. It does when it could be
 * one's name: a file of such a name is ./NAME. What there is makes no difference, so that a command means the same
 * everywhere.
 */
export function isMachineName(text: string): boolean {
  return MACHINE_NAME.test(text);
}
