import type { ReadStream } from "node:tty";
import { type ConsoleOperator, ConsoleSession } from "../../control/console-session.js";
import type { ExecSession } from "../../control/exec-session.js";
import { ScreenModes } from "../../control/screen-modes.js";
import type { ByteSink } from "../../devices/device.js";
import { RawTerminal } from "./operator-terminal.js";
import type { Output } from "./output.js";

/** The streams the program was started with. */
export interface StandardStreams {
  /** `process.stdin`, whatever it is connected to. */
  readonly stdin: ReadStream;
  readonly stdout: Output;
  readonly stderr: Output;
}

export interface OpenConsole {
  readonly session: ConsoleSession;
  /** Gives the terminal back as it was; once. */
  disconnect(): void;
}

/**
 * A session at the console with our standard streams. If they are a terminal, it is raw until `disconnect`.
 *
 * @param onSnapshot called when the operator asks for a snapshot; without it there is no file for one
 */
export function openConsole({ stdin, stdout, stderr }: StandardStreams, onSnapshot?: () => void): OpenConsole {
  const modes = new ScreenModes();
  const screen: ByteSink = {
    write(bytes) {
      modes.write(bytes);
      stdout.write(bytes);
    },
  };
  const operator: ConsoleOperator = {
    screen,
    notice: (line) => stderr.line(line),
    interactive: stdin.isTTY === true,
    ...(onSnapshot === undefined ? {} : { snapshot: onSnapshot }),
  };
  const session = new ConsoleSession(operator, stdout.terminalSize);

  const terminal = stdin.isTTY === true ? new RawTerminal(stdin) : null;
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
  let connected = true;
  const disconnect = () => {
    if (!connected) return;
    connected = false;
    disconnectInput();
    disconnectWindow();
    if (stdout.isTerminal) stdout.write(Buffer.from(modes.undo()));
    terminal?.restore();
  };
  return { session, disconnect };
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
