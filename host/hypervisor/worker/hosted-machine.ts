import { type HostedServer, hostMachine } from "../../api/machine-server.js";
import type { ToWorker } from "../../api/messages.js";
import type { Machine as VirtMachine } from "../../machine/machine.js";
import type { LaneReading } from "../messages.js";
import type { DispatchedMachine } from "../scheduling/dispatcher.js";
import type { LanePlatform } from "./lane-platform.js";

const NO_TRAFFIC = {
  diskReads: 0,
  diskReadBytes: 0,
  diskWrites: 0,
  diskWrittenBytes: 0,
  networkReceivedFrames: 0,
  networkReceivedBytes: 0,
  networkSentFrames: 0,
  networkSentBytes: 0,
};
type Traffic = typeof NO_TRAFFIC;

const NO_MEMORY = { touchedByteLength: 0, residentByteLength: 0, diskByteLength: 0 };

/** Looking at all of a memory costs: it is done when the machine has run for so long, and now and then. */
const LOOK_BUSY_MS = 50;
const READINGS_PER_LOOK = 10;
/** A guest that has run for less has taken little memory: it is not woken to be asked. */
const ASK_BUSY_MS = 20;

/** A machine in a worker that has many. */
export class HostedMachine {
  readonly server: HostedServer;
  /** The name of its file, if the file is open because of it. */
  file: string | null = null;
  readonly #lane: number;
  readonly #turns: DispatchedMachine;
  #memory = NO_MEMORY;
  #spareByteLength: number | null = null;
  /** Whether the guest has not answered yet how it stands with its memory. */
  #isAsked = false;
  #askedAtMs = 0;
  #lookedAtMs = 0;
  #lookedAtGiven = 0;
  #readings = 0;
  /** Of the machines before the present one: a guest that restarts is another one. */
  #before: Traffic = NO_TRAFFIC;
  #machine: VirtMachine | null = null;
  #traffic: Traffic = NO_TRAFFIC;

  constructor(lane: number, platform: LanePlatform, turns: DispatchedMachine) {
    this.#lane = lane;
    this.#turns = turns;
    this.server = hostMachine(platform, turns);
  }

  receive(message: unknown): void {
    this.server.receive(message as ToWorker);
  }

  /** Has its part of the processor taken away; for a machine that does not run any more. */
  leave(): void {
    this.#turns.quit();
  }

  reading(): LaneReading {
    const { machine } = this.server;
    const { instructions, processorMs, stolenMs, waits } = this.#turns.account;
    if (machine === null) this.#memory = NO_MEMORY;
    else if (this.#isLookDue(processorMs, machine.balloons[0]?.givenByteLength ?? 0)) {
      this.#memory = { ...machine.memoryUsage, diskByteLength: machine.diskMemoryByteLength };
    }
    return {
      lane: this.#lane,
      instructions: Number(instructions),
      busyMs: processorMs,
      stolenMs,
      waits,
      ...this.#memory,
      balloonByteLength: machine?.balloons[0]?.byteLength ?? 0,
      spareByteLength: machine === null ? null : this.#spareByteLength,
      ...this.#countTraffic(machine),
    };
  }

  /** Asks the guest how it stands with its memory; it may never answer. */
  askMemory(): void {
    const balloon = this.server.machine?.balloons[0];
    const { processorMs } = this.#turns.account;
    const isKnown = this.#spareByteLength !== null && processorMs - this.#askedAtMs < ASK_BUSY_MS;
    if (balloon === undefined || this.#isAsked || isKnown) return;
    this.#isAsked = true;
    this.#askedAtMs = processorMs;
    void balloon.statistics().then((told) => {
      this.#isAsked = false;
      const available = told?.availableByteLength ?? null;
      this.#spareByteLength = available === null ? null : Number(available) + balloon.byteLength;
    });
  }

  /** What has hardly run since has touched little, and given back what its balloon knows. */
  #isLookDue(processorMs: number, givenByteLength: number): boolean {
    const hasGiven = givenByteLength !== this.#lookedAtGiven;
    const isDue = hasGiven || processorMs - this.#lookedAtMs > LOOK_BUSY_MS;
    if (!isDue && this.#readings++ % READINGS_PER_LOOK !== 0) return false;
    this.#lookedAtMs = processorMs;
    this.#lookedAtGiven = givenByteLength;
    return true;
  }

  #countTraffic(machine: VirtMachine | null): Traffic {
    if (machine !== this.#machine) {
      this.#before = sum(this.#before, this.#traffic);
      this.#machine = machine;
    }
    this.#traffic = machine === null ? NO_TRAFFIC : trafficOf(machine);
    return sum(this.#before, this.#traffic);
  }
}

function sum(a: Traffic, b: Traffic): Traffic {
  const names = Object.keys(a) as (keyof Traffic)[];
  return Object.fromEntries(names.map((name) => [name, a[name] + b[name]])) as Traffic;
}

function trafficOf({ traffic: { disks, networks } }: VirtMachine): Traffic {
  const total = { ...NO_TRAFFIC };
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
