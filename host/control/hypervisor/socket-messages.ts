/**
 * What goes over the WebSockets of a console and of a command. Bytes are binary messages: of a console as they are, of a
 * command's output with a first byte that says which. Everything else is JSON.
 */
import type { CommandTerminal } from "./service.js";

/** The protocol that a client asks for, beside one that carries its token: a browser cannot set headers there. */
export const WEBSOCKET_PROTOCOL = "vivarium.v1";
export const BEARER_PROTOCOL = "bearer.";

export const STREAM_STDOUT = 1;
export const STREAM_STDERR = 2;

export type ClientMessage =
  | { readonly type: "resize"; readonly columns: number; readonly rows: number }
  /** The first message of a command's socket. */
  | {
      readonly type: "start";
      readonly command: string | readonly string[];
      readonly terminal: CommandTerminal | null;
    }
  | { readonly type: "end-input" }
  | { readonly type: "kill"; readonly signal: string };

export type ServerMessage =
  | { readonly type: "started" }
  | { readonly type: "exit"; readonly exitCode: number | null; readonly signal: string | null }
  | { readonly type: "ended"; readonly reason: string }
  | { readonly type: "error"; readonly error: { readonly code: string; readonly message: string } };
