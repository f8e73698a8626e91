import { AgentClient } from "../guest-agent/agent-client.js";
import { AGENT_PORT } from "../guest-agent/protocol.js";
import { QEMU_AGENT_PORT, QemuGuestAgent } from "../guest-agent/qemu-guest-agent.js";
import { VivariumError } from "../util/errors.js";
import type { Platform } from "./platform.js";
import type { Remote } from "./remote.js";

/** How long a guest may take from being waited for to having an agent. */
const AGENT_TIMEOUT_MS = 120_000;

export interface GuestAgentsOptions {
  readonly platform: Platform;
  readonly remote: Remote;
  /** Throws when no guest could answer. */
  readonly checkOn: () => void;
}

/** What in the guest does what the machine's user asks of it: Vivarium's agent, or QEMU's. */
export class GuestAgents {
  readonly #options: GuestAgentsOptions;
  readonly #agent: AgentClient;
  readonly #qemuAgent: QemuGuestAgent;
  /** Whether it is QEMU's that serves. */
  #isQemu = false;
  #stopTimer: (() => void) | null = null;

  constructor(options: GuestAgentsOptions) {
    this.#options = options;
    const { platform, remote } = options;
    this.#agent = new AgentClient({
      send: (bytes) => remote.tell({ kind: "port", port: AGENT_PORT, bytes }),
      randomBytes: (into) => platform.randomBytes(into),
    });
    const schedule = (callback: () => void, delayMs: number) => void platform.schedule(callback, delayMs);
    const send = (bytes: Uint8Array) => remote.tell({ kind: "port", port: QEMU_AGENT_PORT, bytes });
    this.#qemuAgent = new QemuGuestAgent({ send, schedule });
  }

  /** Which one serves is told by the ports that the machine has, which is known late of one that comes out of a file. */
  setPorts(ports: readonly string[]): void {
    this.#isQemu = ports.includes(QEMU_AGENT_PORT);
  }

  /** Whether Vivarium's agent answers. */
  get isReady(): boolean {
    return this.#agent.isReady;
  }

  /** Vivarium's. @throws VivariumError when no guest could answer, `agent/unsupported` where QEMU's serves */
  present(): AgentClient {
    this.#options.checkOn();
    if (this.#isQemu) {
      throw new VivariumError("agent/unsupported", "QEMU's guest agent cannot do this; Vivarium's own can");
    }
    if (!this.#agent.isReady) {
      this.#options.remote.tell({ kind: "wanted" });
      if (this.#stopTimer === null) this.#watch();
    }
    return this.#agent;
  }

  /** Null where Vivarium's own agent serves. @throws VivariumError when no guest could answer */
  presentQemu(): QemuGuestAgent | null {
    this.#options.checkOn();
    return this.#isQemu ? this.#qemuAgent : null;
  }

  openChanged(port: string, open: boolean): void {
    if (port === AGENT_PORT) this.#agent.openChanged(open);
    if (port === QEMU_AGENT_PORT) this.#qemuAgent.openChanged(open);
  }

  receive(port: string, bytes: Uint8Array): void {
    if (port === AGENT_PORT) this.#agent.receive(bytes);
    if (port === QEMU_AGENT_PORT) this.#qemuAgent.receive(bytes);
  }

  /** What is asked for from now on waits for the guest that is put back. */
  expectAnother(): void {
    this.#agent.openChanged(false);
  }

  /** The guest is gone, and what was asked of it fails. */
  lose(error: VivariumError): void {
    this.#stopTimer?.();
    this.#agent.openChanged(false);
    this.#agent.failAll(error);
    this.#qemuAgent.openChanged(false);
    this.#qemuAgent.failAll(error);
  }

  failAll(error: VivariumError): void {
    this.#agent.failAll(error);
    this.#qemuAgent.failAll(error);
  }

  #watch(): void {
    const cancel = this.#options.platform.schedule(() => {
      this.#stopTimer = null;
      const message = `the guest's agent has not answered for ${AGENT_TIMEOUT_MS / 1000} s; does this guest have one?`;
      if (!this.#agent.isReady) this.#agent.failAll(new VivariumError("agent/absent", message));
    }, AGENT_TIMEOUT_MS);
    this.#stopTimer = () => {
      cancel();
      this.#stopTimer = null;
    };
    this.#agent.whenReady(() => this.#stopTimer?.());
  }
}
