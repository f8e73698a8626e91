/** What a machine is made from, or goes on from. */
import { MAX_HARTS, MAX_RAM_BYTE_LENGTH, PAGE_BYTE_LENGTH } from "../../assembly/shared/layout.js";
import type { CommitRecord } from "../core/commit-tracer.js";
import type { TranslationMode } from "../core/core.js";
import type { TranslatedRegion } from "../core/translated-region.js";
import type { WasmModule } from "../core/wasm.js";
import type { ByteSink } from "../devices/device.js";
import type { ConsolePort } from "../devices/virtio/console-port.js";
import type { VirtioInputOptions } from "../devices/virtio/input.js";
import type { VirtioInterface } from "../devices/virtio/mmio-registers.js";
import type { Link } from "../network/link.js";
import type { CapturableBackend } from "../storage/captured-disk.js";
import { VivariumError } from "../util/errors.js";
import type { Drive, Network, Share } from "./board.js";
import type { Boot } from "./boot.js";
import type { Recorder } from "./history/recorder.js";
import type { Replayer } from "./history/replayer.js";
import type { HostServices } from "./host-services.js";
import { mebibytes } from "./placement.js";
import type { ProcessorTurns } from "./processor-turns.js";

/** What a machine is connected to and how it is run, whether it is made or goes on from a state. */
export interface MachineWires {
  /** The processor, compiled. */
  readonly core: WasmModule;
  /** Whether code is translated to Wasm; on unless given. What the guest sees is the same. */
  readonly translate?: TranslationMode;
  /** Translated code that is kept, in bytes of Wasm; 64 MiB unless given. */
  readonly translationByteLengthMax?: number;
  /** Called once when the host does not let WebAssembly be compiled at run time: everything is interpreted then. */
  readonly onTranslationRefused?: (reason: string) => void;
  /** Told of every region that is translated. */
  readonly onTranslation?: (regions: readonly TranslatedRegion[]) => void;
  /** Receives what the guest writes to its serial console. */
  readonly serial: ByteSink;
  /** Byte streams between host and guest, by name; ports 1, 2, ... of a virtio console. */
  readonly ports?: readonly ConsolePort[];
  readonly host: HostServices;
  /** For a machine that shares its thread with others: each slice is a turn. */
  readonly turns?: ProcessorTurns;
  /** Called for each instruction retired. The machine does the same as without, but much slower. */
  readonly onCommit?: (record: CommitRecord) => void;
  /** A recorder, for a machine whose history is to be recorded: see `Machine.record`. Or a history to be run again. */
  readonly border?: Recorder | Replayer;
}

export interface MachineOptions extends MachineWires {
  /** 1 to 8. */
  readonly hartCount: number;
  /** A multiple of 4096. */
  readonly memoryByteLength: number;
  /**
   * "host" follows the host's clock and sleeps while the guest waits; "virtual" counts instructions, never sleeps, and
   * takes random numbers from a seed, so that every run is the same run.
   */
  readonly clock: "host" | "virtual";
  /**
   * What the drivers of virtio devices find: "modern" unless given. "legacy" is version 1 of the registers, for systems
   * that know no other; QEMU's virt has it unless it is told otherwise.
   */
  readonly virtio?: VirtioInterface;
  readonly boot: Boot;
  /** Virtio disks, in this order; at most 6. */
  readonly drives: readonly Drive[];
  /** Virtio network devices, in this order; at most 4. What the guest sees of a network arrives between slices. */
  readonly networks?: readonly Network[];
  /** Folders for the guest to mount by 9P, with different tags; at most 6. */
  readonly shares?: readonly Share[];
  /** The guest's addresses for sockets between it and the host, from 3 up: a device each; at most 2. Linux uses one. */
  readonly socketCids?: readonly number[];
  /** Balloons, by which memory can be taken from the guest; none unless given, at most 2. */
  readonly balloonCount?: number;
  /** Keyboards and tablets; at most 4. */
  readonly inputs?: readonly VirtioInputOptions[];
  /** Entropy sources; 1 unless given, at most 3. */
  readonly entropySourceCount?: number;
}

/** Whether a machine is the one whose state it has, or another beside it. */
export type Identity =
  /** It is the same machine: the one that was saved does not go on. */
  | "kept"
  /** It goes on beside its original: random numbers, generation id and addresses are its own. */
  | "renewed";

export interface ResumeOptions extends MachineWires {
  /** "renewed" unless this is said; see `Identity`. */
  readonly identity?: Identity;
  /** By slot: the disks whose contents are not part of the state. */
  readonly drives?: readonly (Drive | undefined)[];
  /** Puts a limit on a disk whose contents are part of the state; by slot. */
  readonly limitDisk?: (index: number, disk: CapturableBackend) => CapturableBackend;
  /** By network device: what it is plugged into. The cable of one without a link is out. */
  readonly links?: readonly (Link | undefined)[];
  /** The folders, by their tags. One that is not given answers its guest with I/O errors. */
  readonly shares?: readonly Share[];
  /** By keyboard or tablet: told of what the guest answers to it. */
  readonly inputs?: readonly (Pick<VirtioInputOptions, "onEvent"> | undefined)[];
}

/** @throws VivariumError `machine/harts`, `machine/memory` */
export function checkMachineOptions({ hartCount, memoryByteLength }: MachineOptions): void {
  if (!Number.isInteger(hartCount) || hartCount < 1 || hartCount > MAX_HARTS) {
    throw new VivariumError("machine/harts", `${hartCount} harts; expected 1 to ${MAX_HARTS}`, { hartCount });
  }
  const isWholePages = memoryByteLength % PAGE_BYTE_LENGTH === 0;
  if (!isWholePages || memoryByteLength <= 0 || memoryByteLength > MAX_RAM_BYTE_LENGTH) {
    throw new VivariumError(
      "machine/memory",
      `memory of ${memoryByteLength} bytes; expected a multiple of ${PAGE_BYTE_LENGTH}, at most ` +
        mebibytes(MAX_RAM_BYTE_LENGTH),
      { memoryByteLength },
    );
  }
}
