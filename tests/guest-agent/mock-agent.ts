import { AgentClient, type ProcessStart } from "../../host/guest-agent/agent-client.js";
import type { AgentProcess, ExitStatus } from "../../host/guest-agent/agent-process.js";
import { AGENT_PROTOCOL_VERSION, encodeFrame, HELLO, WELCOME } from "../../host/guest-agent/protocol.js";

/** A frame as the agent sees it, read by the table in protocol.ts and not by its code. */
export interface SeenFrame {
  readonly type: number;
  readonly process: number;
  readonly payload: Buffer;
}

/** What happened to a process of the client's. */
export interface SeenProcess {
  readonly process: AgentProcess;
  pid: number | null;
  stdout: string;
  stderr: string;
  readonly ended: string[];
  exit: ExitStatus | null;
  error: { readonly code: string; readonly message: string } | null;
}

export const ECHO: ProcessStart = { argv: ["/bin/echo", "hi"], directory: "/", environment: {} };

/** The guest's end of the port, played by a test, which can also misbehave. */
export class MockAgent {
  readonly client: AgentClient;
  /** Frames that the test has not looked at. */
  seen: SeenFrame[] = [];
  #hellos = 0;

  constructor() {
    this.client = new AgentClient({
      send: (frame) => this.#read(Buffer.from(frame)),
      randomBytes: (into) => void into.fill(++this.#hellos),
    });
  }

  /** Opens the port, and answers the greeting. */
  come(version = AGENT_PROTOCOL_VERSION): void {
    this.client.openChanged(true);
    this.welcome(version);
  }

  welcome(version = AGENT_PROTOCOL_VERSION): void {
    const hello = this.seen.filter(({ type }) => type === HELLO).at(-1);
    if (hello === undefined) throw new Error("nobody said hello");
    this.seen = this.seen.filter(({ type }) => type !== HELLO);
    this.send(WELCOME, version, hello.payload);
  }

  send(type: number, process: number, payload: Uint8Array = new Uint8Array()): void {
    this.client.receive(encodeFrame(type, process, payload));
  }

  start(start: ProcessStart = ECHO): SeenProcess {
    const seen: Omit<SeenProcess, "process"> & { process?: AgentProcess } = {
      ...{ pid: null, stdout: "", stderr: "", ended: [], exit: null, error: null },
    };
    seen.process = this.client.start(start, {
      started: (pid) => {
        seen.pid = pid;
      },
      output: (stream, bytes) => {
        seen[stream] += Buffer.from(bytes).toString("latin1");
      },
      ended: (stream) => void seen.ended.push(stream),
      exited: (status) => {
        seen.exit = status;
      },
      failed: (error) => {
        seen.error = error;
      },
    });
    return seen as SeenProcess;
  }

  /** The frames of a type since the last look, which are forgotten. */
  take(type: number): SeenFrame[] {
    const taken = this.seen.filter((frame) => frame.type === type);
    this.seen = this.seen.filter((frame) => frame.type !== type);
    return taken;
  }

  #read(bytes: Buffer): void {
    const byteLength = bytes.readUInt32LE(8);
    if (bytes.length !== 12 + byteLength) throw new Error("the client sends frames whole");
    this.seen.push({ type: bytes.readUInt32LE(0), process: bytes.readUInt32LE(4), payload: bytes.subarray(12) });
  }
}
