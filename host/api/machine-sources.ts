import { checkImageMemory } from "../control/image-memory.js";
import { mountWords } from "../control/share-option.js";
import { commandLineFor } from "../images/command-line.js";
import type { Image, ImageProgress } from "../images/image.js";
import type { Boot, Drive } from "../machine/machine.js";
import type { BlockBackend } from "../storage/block-backend.js";
import { type BaseImage, CapturedDisk } from "../storage/captured-disk.js";
import { MemoryBlockBackend } from "../storage/memory.js";
import { VivariumError } from "../util/errors.js";
import type { GuestSetup, MachineSetup, Source } from "./messages.js";
import type { WorkerPlatform } from "./platform.js";

/** The image, the files and the disks that a machine is made from. */
export class MachineSources {
  readonly #platform: WorkerPlatform;
  readonly #onProgress: (progress: ImageProgress) => void;
  readonly #open: BlockBackend[] = [];
  /** The one that the machine is made of. */
  #image: Promise<Image> | null = null;

  constructor(platform: WorkerPlatform, onProgress: (progress: ImageProgress) => void) {
    this.#platform = platform;
    this.#onProgress = onProgress;
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.splice(0).map((drive) => drive.close()));
  }

  /**
   * The setup with an image's own disk as the first one; the image stays as it is.
   *
   * @throws VivariumError `image/memory`
   */
  async withImageDisk(setup: MachineSetup): Promise<MachineSetup> {
    const { guest, drives } = setup;
    if (guest.kind !== "image") return setup;
    const { disk, manifest } = await this.#openImage(guest.name);
    checkImageMemory(manifest, setup.memoryByteLength);
    if (disk === null) return setup;
    return { ...setup, drives: [{ source: disk, readOnly: false, overlay: true, serial: "root" }, ...drives] };
  }

  /** @throws VivariumError `drive/unusable` */
  async openDrives(setup: MachineSetup): Promise<Drive[]> {
    const drives: Drive[] = [];
    for (const [index, { source, readOnly, overlay, serial }] of setup.drives.entries()) {
      const name = `disk${index}`;
      const backend = overlay
        ? CapturedDisk.over(await this.#openBase(name, source), readOnly)
        : await this.#openDrive(name, source, readOnly);
      drives.push({ backend, serial });
    }
    return drives;
  }

  /** By slot: the disks that a machine out of a file has from elsewhere. @throws VivariumError `drive/unusable` */
  async openOutside({ drives }: MachineSetup): Promise<(Drive | undefined)[]> {
    const opened: (Drive | undefined)[] = [];
    for (const [index, { source, readOnly, overlay, serial }] of drives.entries()) {
      const isGiven = !overlay && source !== "";
      opened.push(isGiven ? { backend: await this.#openDrive(`disk${index}`, source, readOnly), serial } : undefined);
    }
    return opened;
  }

  /** What the machine starts when it is switched on. */
  async readBoot(setup: MachineSetup): Promise<Boot> {
    const { guest } = setup;
    switch (guest.kind) {
      case "image": {
        const { kernel, initrd, commandLine: own, disk } = await this.#openImage(guest.name);
        const init = disk === null ? "busybox" : "systemd";
        const words = [own, guest.append, ...mountWords(mountsOf(setup))].filter((word) => word !== "");
        const commandLine = commandLineFor(words.join(" "), { kind: "stay" }, init);
        if (guest.firmware === undefined) return { kind: "linux", kernel, initrd, commandLine };
        const firmware = await this.#read("firmware", guest.firmware);
        return { kind: "firmware", firmware, kernel, initrd, commandLine };
      }
      case "linux": {
        const { kind, commandLine } = guest;
        const kernel = await this.#read("kernel", guest.kernel);
        return { kind, kernel, commandLine, ...(await this.#initrdOf(guest)) };
      }
      case "firmware": {
        const { kind, commandLine } = guest;
        const firmware = await this.#read("firmware", guest.firmware);
        if (guest.kernel === undefined) return { kind, firmware, commandLine };
        const kernel = await this.#read("kernel", guest.kernel);
        return { kind, firmware, kernel, commandLine, ...(await this.#initrdOf(guest)) };
      }
      case "bare":
        return { kind: "bare", program: await this.#read("program", guest.program) };
      case "saved":
        throw cannotRestart();
    }
  }

  #openImage(name: string): Promise<Image> {
    this.#image ??= this.#platform.openImage(name, { onProgress: this.#onProgress });
    return this.#image;
  }

  async #openDrive(name: string, source: Source, readOnly: boolean): Promise<BlockBackend> {
    if (typeof source !== "string") return new MemoryBlockBackend(source, { readOnly });
    return this.#opened(await this.#platform.openDrive(name, source, readOnly));
  }

  async #openBase(name: string, source: Source): Promise<BaseImage> {
    if (typeof source !== "string") return new MemoryBlockBackend(source, { readOnly: true });
    return this.#opened(await this.#platform.openBase(name, source));
  }

  #opened<T extends BlockBackend>(disk: T): T {
    this.#open.push(disk);
    return disk;
  }

  async #initrdOf({ initrd }: Extract<GuestSetup, { readonly initrd?: Source }>): Promise<{ initrd?: Uint8Array }> {
    return initrd === undefined ? {} : { initrd: await this.#read("initrd", initrd) };
  }

  async #read(what: string, source: Source): Promise<Uint8Array> {
    return typeof source === "string" ? this.#platform.readFile(what, source) : source;
  }
}

/** A machine out of a file that has nothing but how it goes on. */
export function cannotRestart(): VivariumError {
  const message = "a machine from a file cannot be switched on anew: the file has only how it goes on";
  return new VivariumError("machine/status", message);
}

function mountsOf({ shares }: MachineSetup): Parameters<typeof mountWords>[0] {
  return shares.flatMap(({ tag, readOnly, mountPoint }) =>
    mountPoint === null ? [] : [{ request: { tag, readOnly }, mountPoint }],
  );
}
