import type { ReadStream } from "node:tty";
import type { ConsoleSession } from "../../control/console-session.js";
import type { ExecSession } from "../../control/exec-session.js";
import { RawTerminal } from "./operator-terminal.js";
import type { Output } from "./output.js";

/** The streams the program was started with. */
export interface StandardStreams {
  readonly stdin: ReadStream;
  readonly stdout: Output;
  readonly stderr: Output;
}

/** Connects keyboard and window to the console until the result is called. A terminal is raw meanwhile. */
export function connectConsole(session: ConsoleSession, { stdin, stdout }: StandardStreams): () => void {
  const terminal = stdin.isTTY ? new RawTerminal(stdin) : null;
  terminal?.enter();
  const disconnectInput = relay(
    stdin,
    (bytes) => session.type(bytes),
    () => {},
  );
  const disconnectWindow = stdout.onResize(() => {
    const size = stdout.terminalSize;
    if (size !== null) session.resize(size);
  });
  return () => {
    disconnectInput();
    disconnectWindow();
    terminal?.restore();
  };
}

/** Connects standard input to the command until the result is called. */
export function connectCommand(session: ExecSession, { stdin }: StandardStreams): () => void {
  return relay(
    stdin,
    (bytes) => session.input(bytes),
    () => session.endInput(),
  );
}

/** Reads no faster than `take` resolves. An input that cannot be read has ended. */
function relay(stdin: ReadStream, take: (bytes: Uint8Array) => Promise<void>, onEnd: () => void): () => void {
  let connected = true;
  const onData = async (bytes: Uint8Array) => {
    stdin.pause();
    await take(bytes);
    if (connected) stdin.resume();
  };
  const disconnect = () => {
    connected = false;
    stdin.off("data", onData);
    stdin.off("end", onEnd);
    stdin.pause();
  };
  stdin.on("data", onData);
  stdin.on("end", onEnd);
  stdin.on("error", onEnd);
  return disconnect;
}
