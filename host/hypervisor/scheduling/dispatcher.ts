import type { HostServices } from "../../machine/host-services.js";
import type { ProcessorTurn, ProcessorTurns, ProcessorUse } from "../../machine/processor-turns.js";
import { assert, VivariumError } from "../../util/errors.js";
import { ROOT_POOL } from "../machine-spec.js";
import { FairNode } from "./fair-node.js";
import { FairTree } from "./fair-tree.js";
import { type Policy, UNLIMITED } from "./settings.js";
import { Speedometer } from "./speedometer.js";

/** What the dispatcher needs of the thread that it divides. */
export type DispatcherHost = Pick<HostServices, "monotonicMs" | "sleep" | "yieldToEvents">;

/** What a machine has had, since it joined. */
export interface ProcessorAccount {
  /** Exactly those retired in its turns. */
  readonly instructions: bigint;
  /** Processor time: what those instructions cost at the machine's own speed, and what it made its devices work. */
  readonly processorMs: number;
  /** Time in which it wanted a turn and somebody else had it, or its limit kept it from one. */
  readonly stolenMs: number;
  /** Turns after which it waited for something to happen. */
  readonly waits: number;
}

/** A turn ends at the next access of a device when it lasts so many times as long as it should. */
const OVERTIME = 2;
const OVERTIME_MS = 1;
/** One access of a device, or call of the firmware, is to blame for so much of a slow turn at most. */
const ACCESS_MS_MAX = 0.5;
/** A longer delay is the host's, whatever the guest has done. */
const BLAME_MS_MAX = 20;
/**
 * A host that is busy disturbs all of its machines, in proportion to what they run. One that is disturbed more than so
 * many times as much as the least disturbed one, and so much more, is slow by turns itself, and pays for it, with turns
 * of fewer instructions.
 */
const DISTURBANCE_FACTOR = 2;
const DISTURBANCE_FREE = 0.25;
/** The same of its lag, which is an average over more turns, and hardly shows a host that stands still for a moment. */
const LAG_FACTOR = 1.5;
const LAG_FREE = 0.03;
/** What a turn costs the host even if nothing is done in it. */
const TURN_MS_MIN = 0.05;
/** Between two turns the host does its own work; more than this is not its work. */
const PAUSE_MS_MAX = 5;
/** Who has just had a turn is back within so many turns of the event loop, or misses its place. */
const RETURN_YIELDS = 2;

/**
 * Hands out turns of one thread to the machines that run in it.
 *
 * Who wants to run asks; `FairTree` says who is next. A turn is paid for in instructions, at the speed that the machine
 * has been measured to have, so that a host which stands still in the middle of one costs nobody. The clock by which
 * limits and reservations count is the sum of what turns cost and of the pauses between them.
 */
export class Dispatcher {
  readonly #host: DispatcherHost;
  readonly #tree = new FairTree<Member>();
  readonly #members = new Map<string, Member>();
  #policy: Policy = { pools: [], machines: [] };
  #nowMs = 0;
  /** When the clock was last set, by the host's. */
  #setMs: number;
  #isDispatching = false;
  /** Turns granted, and times that all had to wait for their limits. */
  #events = 0;
  #endTurn: (() => void) | null = null;
  #returning: Member | null = null;
  #onReturn: (() => void) | null = null;
  #pause: { wake(): void } | null = null;

  constructor(host: DispatcherHost) {
    this.#host = host;
    this.#setMs = host.monotonicMs();
  }

  /** Processor time that this thread has had to give, since it was made. */
  get elapsedMs(): number {
    if (this.#endTurn === null) this.#passTime();
    return this.#nowMs;
  }

  /**
   * Divides the processor by this from now on. Machines of the policy that are not here are left out; those here that
   * are not in it are members of the root pool.
   *
   * @throws VivariumError `pool/unknown` for a pool that is not in the policy; everything is then as it was
   */
  setPolicy(policy: Policy): void {
    const names = new Set([ROOT_POOL, ...policy.pools.map(({ name }) => name)]);
    const unknown = [...policy.pools.map(({ parent }) => parent), ...policy.machines.map(({ pool }) => pool)].find(
      (name) => !names.has(name),
    );
    if (unknown !== undefined) {
      throw new VivariumError("pool/unknown", `there is no pool ${unknown}`, { pool: unknown });
    }
    this.#policy = policy;
    this.#tree.setPools(policy.pools, this.#nowMs);
    for (const member of this.#members.values()) this.#place(member);
    this.#pause?.wake();
  }

  /** A machine comes to this thread. What is returned is for `MachineOptions.turns`. */
  join(name: string): DispatchedMachine {
    assert(!this.#members.has(name), `${name} is here already`);
    const member: Member = new Member(name, {
      asked: () => this.#asked(member),
      left: () => this.#left(member),
      gave: (use) => this.#gave(member, use),
      quit: () => this.#quit(member),
      monotonicMs: () => this.#host.monotonicMs(),
    });
    this.#members.set(name, member);
    this.#place(member);
    return member;
  }

  #place(member: Member): void {
    const machine = this.#policy.machines.find(({ name }) => name === member.name);
    this.#tree.place(member, machine?.pool ?? ROOT_POOL, machine?.cpu ?? UNLIMITED, this.#nowMs);
  }

  #left(member: Member): void {
    this.#tree.unready(member, this.#nowMs);
    if (this.#returning === member) this.#returning = null;
  }

  #quit(member: Member): void {
    this.#left(member);
    this.#tree.remove(member, this.#nowMs);
    this.#members.delete(member.name);
  }

  #asked(member: Member): void {
    member.eventsWhenAsked = this.#events;
    if (member === this.#returning) {
      this.#onReturn?.();
    } else {
      this.#passTime();
      this.#tree.ready(member, this.#nowMs);
      this.#pause?.wake();
    }
    if (!this.#isDispatching) void this.#dispatch();
  }

  async #dispatch(): Promise<void> {
    this.#isDispatching = true;
    // What came in with the one who asked first is heard before anybody runs.
    await this.#host.yieldToEvents();
    for (;;) {
      await this.#awaitReturn();
      this.#passTime();
      const choice = this.#tree.choose(this.#nowMs);
      if (choice.kind === "idle") break;
      this.#events++;
      if (choice.kind === "wait") {
        await this.#sleepFor(choice.ms);
      } else {
        await this.#runTurn(choice.member, choice.sliceMs);
        await this.#host.yieldToEvents();
      }
    }
    this.#isDispatching = false;
  }

  async #runTurn(member: Member, sliceMs: number): Promise<void> {
    const startMs = this.#host.monotonicMs();
    const ended = new Promise<void>((resolve) => {
      this.#endTurn = resolve;
    });
    // Nobody else ran and no limit held: what passed was the host's own work.
    const hadToWait = this.#events > member.eventsWhenAsked + 1;
    member.grant({
      budget: member.speed.instructionsIn(sliceMs / (1 + this.#unevenness(member))),
      deadlineMs: startMs + sliceMs * OVERTIME + OVERTIME_MS,
      waitedMs: hadToWait ? startMs - member.askedMs : 0,
    });
    await ended;
  }

  #gave(member: Member, use: ProcessorUse): void {
    const { retired, elapsedMs, deviceAccesses, waits } = use;
    // By the speed at which the turn was granted: a first turn in which the host stands still is not paid for, either.
    const expectedMs = member.speed.msOf(retired);
    const lateMs = Math.max(0, elapsedMs - OVERTIME * expectedMs);
    const blameMs = Math.min(lateMs, deviceAccesses * ACCESS_MS_MAX, BLAME_MS_MAX);
    member.speed.measure(retired, elapsedMs - blameMs, member.granted);
    const usedMs = Math.max(TURN_MS_MIN, expectedMs * (1 + this.#unevenness(member)) + blameMs);
    member.count(retired, usedMs, waits);
    this.#nowMs += usedMs;
    this.#setMs = this.#host.monotonicMs();
    this.#tree.charge(member, usedMs, this.#nowMs);
    if (waits || member.parent === null) this.#tree.unready(member, this.#nowMs);
    else this.#returning = member;
    const end = this.#endTurn;
    this.#endTurn = null;
    end?.();
  }

  /** How much more than its instructions show a machine's slices take that is not the host's doing. */
  #unevenness({ speed: { disturbance, lag } }: Member): number {
    if (disturbance === null || lag === null) return 0;
    let [leastDisturbance, leastLag] = [disturbance, lag];
    for (const { speed } of this.#members.values()) {
      leastDisturbance = Math.min(leastDisturbance, speed.disturbance ?? leastDisturbance);
      leastLag = Math.min(leastLag, speed.lag ?? leastLag);
    }
    const beyondHosts = disturbance - (DISTURBANCE_FACTOR * leastDisturbance + DISTURBANCE_FREE);
    return Math.max(0, beyondHosts, lag - (LAG_FACTOR * leastLag + LAG_FREE));
  }

  /** Whoever had the last turn and wants the next one has things to do between; it keeps its place meanwhile. */
  async #awaitReturn(): Promise<void> {
    const member = this.#returning;
    if (member === null) return;
    if (!member.isAsking) {
      await new Promise<void>((resolve) => {
        this.#onReturn = resolve;
        void this.#yield(RETURN_YIELDS).then(resolve);
      });
      this.#onReturn = null;
    }
    if (this.#returning === member) this.#returning = null;
    if (!member.isAsking) this.#tree.unready(member, this.#nowMs);
  }

  async #yield(times: number): Promise<void> {
    for (let count = 0; count < times; count++) await this.#host.yieldToEvents();
  }

  async #sleepFor(ms: number): Promise<void> {
    const pause = this.#host.sleep(ms);
    this.#pause = pause;
    await pause.done;
    this.#passTime();
    this.#pause = null;
  }

  /** Between turns. */
  #passTime(): void {
    const hostMs = this.#host.monotonicMs();
    const passedMs = hostMs - this.#setMs;
    this.#setMs = hostMs;
    const isPause = this.#pause !== null || this.#tree.readyCount === 0;
    this.#nowMs += isPause ? passedMs : Math.min(passedMs, PAUSE_MS_MAX);
  }
}

/** A machine's membership of a thread. */
export interface DispatchedMachine extends ProcessorTurns {
  readonly account: ProcessorAccount;
  /** The machine has left the thread, and asks for no turn any more. */
  quit(): void;
}

interface MemberWires {
  asked(): void;
  left(): void;
  gave(use: ProcessorUse): void;
  quit(): void;
  monotonicMs(): number;
}

class Member extends FairNode implements DispatchedMachine {
  readonly speed = new Speedometer();
  readonly name: string;
  readonly #wires: MemberWires;
  #resolve: ((turn: ProcessorTurn | null) => void) | null = null;
  askedMs = 0;
  /** The dispatcher's events at that moment. */
  eventsWhenAsked = 0;
  /** Instructions, in its last turn. */
  granted = 0;
  #hasTurn = false;
  #instructions = 0n;
  #processorMs = 0;
  #stolenMs = 0;
  #waits = 0;

  constructor(name: string, wires: MemberWires) {
    super();
    this.name = name;
    this.#wires = wires;
  }

  get account(): ProcessorAccount {
    return {
      instructions: this.#instructions,
      processorMs: this.#processorMs,
      stolenMs: this.#stolenMs,
      waits: this.#waits,
    };
  }

  get isAsking(): boolean {
    return this.#resolve !== null;
  }

  take(): Promise<ProcessorTurn | null> {
    assert(this.#resolve === null && !this.#hasTurn, `${this.name} asks for a second turn`);
    this.askedMs = this.#wires.monotonicMs();
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.#wires.asked();
    });
  }

  grant(turn: ProcessorTurn): void {
    assert(this.#resolve !== null, `${this.name} has a turn that it did not ask for`);
    this.granted = turn.budget;
    this.#stolenMs += turn.waitedMs;
    this.#hasTurn = true;
    this.#resolve(turn);
    this.#resolve = null;
  }

  give(use: ProcessorUse): void {
    assert(this.#hasTurn, `${this.name} gives back a turn that it has not`);
    this.#hasTurn = false;
    this.#wires.gave(use);
  }

  leave(): void {
    if (this.#resolve === null) return;
    this.#resolve(null);
    this.#resolve = null;
    this.#wires.left();
  }

  quit(): void {
    this.leave();
    this.#wires.quit();
  }

  count(retired: number, usedMs: number, waits: boolean): void {
    this.#instructions += BigInt(retired);
    this.#processorMs += usedMs;
    if (waits) this.#waits++;
  }
}
