import type { GuestSource } from "../../control/actions.js";
import type { TerminalSize } from "../../control/console-session.js";
import { checkImageMemory } from "../../control/image-memory.js";
import { AGENT_PROTOCOL_VERSION, isSpoken } from "../../guest-agent/protocol.js";
import { commandLineFor, type GuestMode } from "../../images/command-line.js";
import type { Boot } from "../../machine/boot.js";
import { VivariumError } from "../../util/errors.js";
import { readFirmware } from "./boot-files.js";
import { openImage } from "./images/open-image.js";
import type { Output } from "./output.js";
import { withProgress } from "./perform-image.js";

export type ImageSource = Extract<GuestSource, { readonly kind: "image" }>;

/** What a machine of an image is made of. */
export interface ImageMachine {
  readonly boot: Boot;
  /** The image's own disk, as a file; null of one that has none. */
  readonly disk: string | null;
}

/** What starts an image as asked, for a person at a terminal or for a command. */
export async function readImageBoot(
  source: ImageSource,
  memoryByteLength: number,
  mode: GuestMode,
  stderr: Output,
): Promise<ImageMachine> {
  const firmware = source.firmware === undefined ? null : await readFirmware(source.firmware);
  const image = await withProgress(source.name, stderr, (options) => openImage(source.name, options));
  checkImageMemory(image.manifest, memoryByteLength);
  if (mode.kind === "agent" && !isSpoken(image.manifest.execProtocol)) {
    const problem =
      image.manifest.execProtocol === 0 ? "cannot run commands" : "runs commands in a way this viv does not know";
    const message = `--exec: image ${source.name} ${problem}; expected an image with "execProtocol": ${AGENT_PROTOCOL_VERSION}`;
    throw new VivariumError("image/no-exec", message, { image: source.name });
  }
  const { kernel, initrd, disk } = image;
  const init = disk === null ? "busybox" : "systemd";
  const commandLine = commandLineFor(`${image.commandLine} ${source.append}`.trim(), mode, init);
  if (firmware === null) return { disk, boot: { kind: "linux", kernel, initrd, commandLine } };
  return { disk, boot: { kind: "firmware", firmware, kernel, initrd, commandLine } };
}

/** How the guest's console is set up for the operator's terminal. */
export function interactiveMode(size: TerminalSize | null, terminal: string | undefined): GuestMode {
  return { kind: "interactive", columns: size?.columns, rows: size?.rows, terminal };
}
