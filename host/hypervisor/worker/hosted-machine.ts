import { type HostedServer, hostMachine } from "../../api/machine-server.js";
import type { ToWorker } from "../../api/messages.js";
import type { Machine as VirtMachine } from "../../machine/machine.js";
import type { LaneReading } from "../messages.js";
import type { LanePlatform } from "./lane-platform.js";

/** A machine in a worker that has many. */
export class HostedMachine {
  readonly server: HostedServer;
  /** The name of its file, if the file is open because of it. */
  file: string | null = null;
  readonly #lane: number;
  readonly #platform: LanePlatform;
  #memory = { touchedByteLength: 0, residentByteLength: 0 };
  #lookedAtMs = -1;

  constructor(lane: number, platform: LanePlatform) {
    this.#lane = lane;
    this.#platform = platform;
    this.server = hostMachine(platform);
  }

  receive(message: unknown): void {
    this.server.receive(message as ToWorker);
  }

  reading(): LaneReading {
    const { machine } = this.server;
    const { busyMs } = this.#platform;
    // What has not run since has touched nothing.
    if (machine === null) this.#memory = { touchedByteLength: 0, residentByteLength: 0 };
    else if (busyMs !== this.#lookedAtMs) this.#memory = machine.memoryUsage;
    this.#lookedAtMs = busyMs;
    return {
      lane: this.#lane,
      busyMs,
      instructions: Number(machine?.stats().instructions ?? 0n),
      ...this.#memory,
      balloonByteLength: machine?.balloons[0]?.byteLength ?? 0,
      ...trafficOf(machine),
    };
  }
}

function trafficOf(machine: VirtMachine | null) {
  const total = {
    diskReads: 0,
    diskReadBytes: 0,
    diskWrites: 0,
    diskWrittenBytes: 0,
    networkReceivedFrames: 0,
    networkReceivedBytes: 0,
    networkSentFrames: 0,
    networkSentBytes: 0,
  };
  const { disks, networks } = machine?.traffic ?? { disks: [], networks: [] };
  for (const disk of disks) {
    total.diskReads += disk.reads;
    total.diskReadBytes += disk.readByteLength;
    total.diskWrites += disk.writes;
    total.diskWrittenBytes += disk.writtenByteLength;
  }
  for (const network of networks) {
    total.networkReceivedFrames += network.receivedFrames;
    total.networkReceivedBytes += network.receivedByteLength;
    total.networkSentFrames += network.sentFrames;
    total.networkSentBytes += network.sentByteLength;
  }
  return total;
}
