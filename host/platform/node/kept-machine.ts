import type { ScheduleRequest } from "../../control/actions.js";
import type { GuestEnd } from "../../control/guest-end.js";
import type { RunnableGuest } from "../../control/guest-run.js";
import { tellGuest } from "../../control/tell-guest.js";
import { boardSchema } from "../../machine/board-state.js";
import { type RecordEnd, Recorder } from "../../machine/history/recorder.js";
import type { HostServices } from "../../machine/host-services.js";
import { type Drive, type Identity, Machine, type MachineState, type ResumeOptions } from "../../machine/machine.js";
import { reportFile } from "../../snapshot/file-report.js";
import type { MachineFile, SaveOptions } from "../../snapshot/machine-file.js";
import { automaticName, retire } from "../../snapshot/schedule.js";
import { POWER_ON } from "../../snapshot/snapshot-name.js";
import { unreachable, VivariumError } from "../../util/errors.js";
import { decode } from "../../util/schema.js";
import { InterruptibleRun } from "./interruptible-run.js";
import type { ControlRequest } from "./machine-file/control-socket.js";
import { copyMachineFile } from "./machine-file/copy-machine-file.js";

/** A disk that the machine's file does not have. */
export interface OutsideDrive extends Drive {
  /** As the operator named it. */
  readonly name: string;
}

/** What a machine is connected to each time it goes on. */
export interface KeptWires extends Omit<ResumeOptions, "host" | "identity" | "drives"> {
  /** Connects what of the machine is only there when it is. */
  readonly attach?: (machine: Machine) => void;
}

export interface KeptMachineOptions {
  readonly file: MachineFile;
  /** Where it is; absolute. */
  readonly path: string;
  readonly wires: KeptWires;
  readonly schedule: ScheduleRequest | null;
  /** Whether its history is recorded, each time it goes on or starts anew. */
  readonly record: boolean;
  /** By slot: the disks that its file does not have. */
  readonly outside: readonly (OutsideDrive | undefined)[];
  /** Whether nothing is saved. */
  readonly discard: boolean;
  readonly keepIdentity: boolean;
  /** The end of what the guest wrote to its console. */
  readonly consoleTail: () => Uint8Array;
  /** Receives a line for the operator. */
  readonly notice: (line: string) => void;
}

/** The machine of a file while it runs: goes on where it was left, boots again when it restarts, and is saved. */
export class KeptMachine {
  readonly #options: KeptMachineOptions;
  #machine: Machine | null = null;
  #host: HostServices | null = null;
  #timer: NodeJS.Timeout | null = null;
  #saving: Promise<unknown> = Promise.resolve();
  /** The run of the present machine; null while nobody runs it. */
  #run: InterruptibleRun | null = null;

  constructor(options: KeptMachineOptions) {
    this.#options = options;
  }

  /** The machine where it was left; after the first call, as it is when it is switched on with the disks it has now. */
  async create(host: HostServices): Promise<RunnableGuest> {
    this.#host = host;
    const machine = await this.#next(host);
    if (this.#options.record) await machine.record(await this.#options.file.record());
    this.#run = new InterruptibleRun(machine);
    return this.#run;
  }

  async #next(host: HostServices): Promise<Machine> {
    const { file, outside } = this.#options;
    const before = this.#machine;
    await before?.endRecord();
    if (before === null) {
      const present = file.present;
      if (present === null) throw new VivariumError("file/empty", "there is no machine in this file yet");
      const state = file.load(present);
      await file.checkOutside(state, outside).catch((error: unknown) => {
        throw advised(error, outside);
      });
      const identity = this.#identityOf(state);
      this.#machine = await this.#resume(state, identity, host);
      tellGuest(this.#machine, host, identity);
      this.#startSchedule();
    } else {
      this.#machine = await this.#resume(await this.#switchedOn(before), "renewed", host);
    }
    return this.#machine;
  }

  /** Takes a snapshot of its own while the machine runs. */
  snapshot(): void {
    this.#inBackground(async () => {
      const name = await this.#saveAutomatic();
      this.#options.notice(`viv: snapshot ${name} taken`);
    });
  }

  /** Serves another program of the user's that wants something of the file while the machine runs. */
  serve(request: ControlRequest): Promise<unknown> {
    return this.#inTurn(async () => {
      const { file, discard } = this.#options;
      if (discard && request.action !== "inspect") {
        throw new VivariumError("file/in-use", "its machine runs with --discard: nothing is saved meanwhile");
      }
      switch (request.action) {
        case "snapshot":
          return this.#saveNow({ name: request.name });
        case "delete-snapshots":
          await file.delete(request.names.map((name) => file.find(name)));
          return file.shrink();
        case "restore":
          return this.#goBack(request.name);
        case "fork":
          await this.#saveNow({});
          return copyMachineFile(this.#options.path, request.targets);
        case "inspect":
          return reportFile(file);
        default:
          return unreachable(request);
      }
    });
  }

  /**
   * Saves the machine where it stands, or switched off if it has switched itself off.
   *
   * @returns the end of its history, if that was recorded
   */
  async conclude(end: GuestEnd): Promise<RecordEnd | null> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#saving;
    const machine = this.#machine;
    if (machine === null || this.#options.discard) return null;
    const record = await machine.endRecord();
    const state = isOver(end) ? await this.#switchedOn(machine) : await this.#capture();
    await this.#save(state, isOver(end) ? {} : { console: this.#options.consoleTail() });
    return record;
  }

  /**
   * Whether a file was copied cannot be seen, so a machine takes a new identity each time it is opened; but not one
   * whose history is to be the same each time.
   */
  #identityOf(state: MachineState): Identity {
    if (this.#options.keepIdentity) return "kept";
    return decode(boardSchema, state.board).clock === "virtual" ? this.#options.file.identity : "renewed";
  }

  async #resume(state: MachineState, identity: Identity, host: HostServices): Promise<Machine> {
    const { attach, ...wires } = this.#options.wires;
    const recorder = { border: new Recorder({ host, onFailure: (error) => this.#recordingFailed(error) }) };
    const options = {
      ...wires,
      drives: this.#options.outside,
      host,
      identity,
      ...(this.#options.record ? recorder : {}),
    };
    const machine = await Machine.resume(state, options);
    attach?.(machine);
    return machine;
  }

  /** The machine as it was switched on first, with the disks that it has now. */
  async #switchedOn(machine: Machine): Promise<MachineState> {
    const { file, outside } = this.#options;
    const { drives } = await machine.capture();
    const state = { ...file.load(file.find(POWER_ON)), drives };
    if (outside.length === 0) return state;
    // A machine that is switched on has not looked at its disks yet.
    const anything = new Uint8Array();
    return {
      ...state,
      outside: outside.map((drive) => (drive === undefined ? null : { name: drive.name, digest: anything })),
    };
  }

  /** With what is on disks that are not part of the state; the guest stands still while they are read. */
  async #capture(): Promise<MachineState> {
    const { file, outside } = this.#options;
    await this.#present().copyAhead();
    if (outside.length === 0) return this.#present().capture();
    return this.#standingStill(async () => {
      const names = outside.map((drive) => drive?.name ?? null);
      return { ...(await this.#present().capture()), outside: await file.lookAtOutside(names, outside) };
    });
  }

  #standingStill<T>(work: () => Promise<T>): Promise<T> {
    if (this.#options.outside.length === 0 || this.#run === null) return work();
    return this.#run.interrupt(work);
  }

  #startSchedule(): void {
    const { schedule } = this.#options;
    if (schedule === null) return;
    this.#timer = setInterval(() => {
      this.#inBackground(async () => {
        await this.#saveAutomatic();
        await retire(this.#options.file, schedule.keepCount);
      });
    }, schedule.everyMs);
  }

  async #saveAutomatic(): Promise<string> {
    const { file, consoleTail } = this.#options;
    const name = automaticName(
      "auto",
      Date.now(),
      file.snapshots.map((snapshot) => snapshot.name),
    );
    const state = await this.#capture();
    await this.#save(state, { name, automatic: true, console: consoleTail() });
    return name;
  }

  async #save(state: MachineState, options: SaveOptions): Promise<void> {
    await this.#options.file.save(state, options);
  }

  #recordingFailed(error: unknown): void {
    this.#options.notice(
      `viv: nothing is recorded any more: ${error instanceof Error ? error.message : String(error)}`,
    );
  }

  async #saveNow(options: Pick<SaveOptions, "name">): Promise<void> {
    const state = await this.#capture();
    await this.#save(state, { ...options, console: this.#options.consoleTail() });
  }

  /** Where the machine is now gets a name, so that nothing is lost. @returns the name */
  async #goBack(name: string): Promise<string> {
    const { file, notice } = this.#options;
    const target = file.find(name);
    const names = file.snapshots.map((snapshot) => snapshot.name);
    const left = automaticName("left", Date.now(), names);
    await this.#saveNow({ name: left });
    const state = file.load(target);
    const identity = this.#identityOf(state);
    await this.#standingStill(async () => {
      await file.checkOutside(state, this.#options.outside);
      await this.#present().restore(state, { identity });
    });
    await file.restore(target);
    tellGuest(this.#present(), this.#host!, identity);
    notice(`viv: back at ${name}`);
    return left;
  }

  #present(): Machine {
    if (this.#machine === null) throw new VivariumError("machine/status", "the machine has not started yet");
    return this.#machine;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#saving.then(work);
    this.#saving = done.catch(() => {});
    return done;
  }

  /** One after the other; a failure is told, and the machine runs on. */
  #inBackground(work: () => Promise<void>): void {
    this.#saving = this.#saving.then(work).catch((error: unknown) => {
      this.#options.notice(`viv: no snapshot: ${error instanceof Error ? error.message : String(error)}`);
    });
  }
}

/** Says how a disk that is missing can be given. */
function advised(error: unknown, outside: KeptMachineOptions["outside"]): unknown {
  if (!(error instanceof VivariumError) || error.code !== "machine/drives") return error;
  const isMissing = outside.some((drive, slot) => drive === undefined && error.data.drive === `disk${slot}`);
  return isMissing ? new VivariumError(error.code, `${error.message}: --drive says where it is`, error.data) : error;
}

/** Whether a machine has ended by itself, so that nothing is to be gone on with. */
function isOver(end: GuestEnd): boolean {
  switch (end.kind) {
    case "left":
    case "signal":
    case "command":
    case "lost":
      return false;
    case "poweroff":
    case "reboot":
    case "fail":
    case "htif":
    case "panic":
      return true;
  }
}
