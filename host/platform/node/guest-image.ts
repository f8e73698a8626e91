import { performance } from "node:perf_hooks";
import type { GuestSource } from "../../control/actions.js";
import type { TerminalSize } from "../../control/console-session.js";
import { signalStatus } from "../../control/guest-end.js";
import { ImageProgressReport } from "../../control/image-progress.js";
import { AGENT_PROTOCOL_VERSION } from "../../guest-agent/protocol.js";
import { commandLineFor, type GuestMode } from "../../images/command-line.js";
import type { Image } from "../../images/image.js";
import type { Boot } from "../../machine/boot.js";
import { VivariumError } from "../../util/errors.js";
import { readFirmware } from "./boot-files.js";
import { openImage } from "./images/open-image.js";
import type { Output } from "./output.js";
import { listenForEnd } from "./process-end.js";

export type ImageSource = Extract<GuestSource, { readonly kind: "image" }>;

/** What starts an image as asked, for a person at a terminal or for a command. */
export async function readImageBoot(source: ImageSource, mode: GuestMode, stderr: Output): Promise<Boot> {
  const firmware = source.firmware === undefined ? null : await readFirmware(source.firmware);
  const image = await openWithProgress(source.name, stderr);
  if (mode.kind === "agent" && image.manifest.execProtocol !== AGENT_PROTOCOL_VERSION) {
    const problem =
      image.manifest.execProtocol === 0 ? "cannot run commands" : "runs commands in a way this viv does not know";
    const message = `--exec: image ${source.name} ${problem}; expected an image with "execProtocol": ${AGENT_PROTOCOL_VERSION}`;
    throw new VivariumError("image/no-exec", message, { image: source.name });
  }
  const { kernel, initrd } = image;
  const commandLine = commandLineFor(`${image.commandLine} ${source.append}`.trim(), mode);
  if (firmware === null) return { kind: "linux", kernel, initrd, commandLine };
  return { kind: "firmware", firmware, kernel, initrd, commandLine };
}

/** How the guest's console is set up for the operator's terminal. */
export function interactiveMode(size: TerminalSize | null, terminal: string | undefined): GuestMode {
  return { kind: "interactive", columns: size?.columns, rows: size?.rows, terminal };
}

export async function openWithProgress(name: string, stderr: Output): Promise<Image> {
  const display = {
    replace: (line: string) => stderr.write(Buffer.from(`\r\u001b[K${line}`)),
    append: (line: string) => stderr.line(line),
  };
  const report = new ImageProgressReport(name, display, stderr.isTerminal, () => performance.now());
  // An orderly exit lets the builder remove what it has begun.
  const stopListening = listenForEnd((signal) => {
    report.fail();
    process.exit(signalStatus(signal));
  });
  try {
    const image = await openImage(name, { onProgress: (progress) => report.update(progress) });
    report.finish();
    return image;
  } catch (error) {
    report.fail();
    throw error;
  } finally {
    stopListening();
  }
}
