import type { DriveRequest, MachineRequest } from "../../control/actions.js";
import type { BoardState } from "../../machine/board-state.js";
import type { BlockBackend } from "../../storage/block-backend.js";
import { type CapturableBackend, CapturedDisk } from "../../storage/captured-disk.js";
import { ThrottledOwnDisk } from "../../storage/throttled-own-disk.js";
import { VivariumError } from "../../util/errors.js";
import { openBase, openOwnDrives } from "./base-image.js";
import { CommitLogFile } from "./commit-log-file.js";
import { closeDrives, limited, type OpenDrive, openDisk, openDrives, openOverlay } from "./drives.js";
import { NodeHostServices } from "./host-services.js";
import { LimitsFile } from "./limits-file.js";
import { Networks } from "./network/networks.js";
import { fitOutside } from "./outside-drives.js";
import { HostFolder } from "./share/host-folder.js";
import { VsockSockets } from "./vsock-sockets.js";

/** What of a machine is files and networks of the host. */
export type FilesRequest = Pick<
  MachineRequest,
  "drives" | "shares" | "socket" | "networks" | "sharedRate" | "limits" | "capture" | "commitLog"
>;

/** A drive, and what the operator called its file. */
export interface NamedDrive extends OpenDrive {
  readonly name: string;
}

export interface OpenFilesOptions {
  /** Whether the drives are only read: a machine that is kept has its own. */
  readonly isKept: boolean;
  /** Told what goes wrong later without ending the run. */
  readonly warn: (message: string) => void;
}

/** The files and networks that a run's machines use while they run. */
export class MachineFiles {
  /** Those of a machine that uses none. */
  static readonly none = new MachineFiles([], null, [], null, null, null);

  private constructor(
    private openDrives: readonly OpenDrive[],
    readonly networks: Networks | null,
    /** In the order of the request. */
    readonly shares: readonly HostFolder[],
    readonly sockets: VsockSockets | null,
    readonly commitLog: CommitLogFile | null,
    private readonly limits: LimitsFile | null,
  ) {
    this.#followLimits();
  }

  /** By slot: disks of a machine out of a file that the file does not have. */
  readonly #outside = new Map<number, NamedDrive>();
  /** Set the limits of disks that the machine has for itself, by slot. */
  readonly #ownLimits = new Map<number, NonNullable<OpenDrive["setLimits"]>>();

  /** In slot order. */
  get drives(): readonly OpenDrive[] {
    return this.openDrives;
  }

  /**
   * @throws VivariumError when one of them cannot be used; then none is open
   */
  static async open(request: FilesRequest, { isKept, warn }: OpenFilesOptions): Promise<MachineFiles> {
    const isLimited = request.limits !== undefined;
    const drives = await (isKept ? openOwnDrives(request.drives) : openDrives(request.drives, { isLimited }));
    const shares: HostFolder[] = [];
    let sockets: VsockSockets | null = null;
    let networks: Networks | null = null;
    let limits: LimitsFile | null = null;
    try {
      for (const { directory, readOnly } of request.shares) shares.push(HostFolder.open(directory, readOnly));
      if (request.socket?.path !== undefined) sockets = await VsockSockets.open(request.socket.path);
      const { capture, sharedRate } = request;
      networks = await Networks.open(request.networks, { capture, sharedRate, isLimited }, warn);
      if (request.limits !== undefined) limits = await LimitsFile.open(request.limits, warn);
      const commitLog = request.commitLog === undefined ? null : new CommitLogFile(request.commitLog);
      return new MachineFiles(drives, networks, shares, sockets, commitLog, limits);
    } catch (error) {
      limits?.close();
      for (const share of shares) share.close();
      await sockets?.close();
      await networks?.close();
      await closeDrives(drives);
      throw error;
    }
  }

  /**
   * Makes the image's own disk the first drive. The image stays as it is: what the guest writes goes to a file beside
   * it.
   *
   * @param disk the image's file; null when it has no disk
   * @param ownDisk the file that keeps what is written, made when it is not there; undefined to forget it at the end
   * @param isKept whether the machine is kept, and has the disk for itself
   * @throws VivariumError `drive/unusable`
   */
  async addImageDisk(disk: string | null, ownDisk: string | undefined, isKept: boolean): Promise<void> {
    if (disk === null) {
      if (ownDisk === undefined) return;
      throw new VivariumError("option/invalid", "--disk needs an image that has a disk, such as debian");
    }
    const backend = await openImageDisk(disk, ownDisk, isKept);
    const own = this.limits === null ? { backend } : limited(backend, null);
    this.openDrives = [{ ...own, serial: "root" }, ...this.openDrives];
    this.#followLimits();
  }

  /**
   * Opens the disks of a machine that its file does not have.
   *
   * @param requests in the order of the slots
   * @param isDiscarded whether the file stays as it is
   * @throws VivariumError `machine/drives` for what does not fit the machine, `drive/unusable`
   */
  async addOutside(board: BoardState, requests: readonly DriveRequest[], isDiscarded: boolean): Promise<void> {
    const fitting = fitOutside(board, requests, isDiscarded);
    const slots = fitting.map(({ slot }) => slot);
    const isLimited = this.limits !== null;
    const drives = await openDrives(
      fitting.map(({ request }) => request),
      { isLimited, slots },
    );
    for (const [index, { slot, request }] of fitting.entries()) {
      this.#outside.set(slot, { ...drives[index]!, name: request.file });
    }
    this.#followLimits();
  }

  /** By slot: the disks of a machine out of a file that the file does not have. */
  get outside(): ReadonlyMap<number, NamedDrive> {
    return this.#outside;
  }

  /** Puts the limits of the command line and the file on a disk that the machine has for itself, and makes anew. */
  limitDisk(index: number, disk: CapturableBackend): CapturableBackend {
    const first = this.drives[index]?.limits ?? null;
    if (first === null && this.limits === null) return disk;
    const limited = new ThrottledOwnDisk(disk, new NodeHostServices(), first ?? {});
    this.#ownLimits.set(index, (set) => limited.setLimits((set === undefined ? first : set) ?? {}));
    this.#followLimits();
    return limited;
  }

  /** Lets go what waits for a limit: nothing is limited any more, for whoever wants to be done. */
  liftLimits(): void {
    this.limits?.close();
    for (const set of this.#ownLimits.values()) set(null);
    for (const { setLimits } of this.#outside.values()) setLimits?.(null);
  }

  async close(): Promise<void> {
    for (const share of this.shares) share.close();
    await this.sockets?.close();
    await this.networks?.close();
    await closeDrives([...this.drives, ...this.#outside.values()]);
    this.commitLog?.close();
    this.limits?.close();
  }

  #followLimits(): void {
    this.limits?.follow((limits) => {
      this.networks?.setLimits(limits);
      for (const [index, { setLimits }] of this.drives.entries()) setLimits?.(limits.drives.get(index));
      for (const [slot, { setLimits }] of this.#outside) setLimits?.(limits.drives.get(slot));
      for (const [index, setLimits] of this.#ownLimits) setLimits(limits.drives.get(index));
    });
  }
}

async function openImageDisk(disk: string, ownDisk: string | undefined, isKept: boolean): Promise<BlockBackend> {
  if (isKept) return CapturedDisk.over(await openBase("disk0", { file: disk, format: "raw" }), false);
  return ownDisk === undefined ? openDisk(disk, { snapshot: true }) : openOverlay(disk, ownDisk);
}
