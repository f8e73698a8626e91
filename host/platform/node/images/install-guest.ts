import { INSTALL_COMPLETE } from "../../../images/debian-scripts.js";
import { Machine } from "../../../machine/machine.js";
import { VivariumError } from "../../../util/errors.js";
import { loadCoreModule } from "../core-module.js";
import { openDisk } from "../drives.js";
import { NodeHostServices } from "../host-services.js";

/** The largest package must fit into a file system in it, beside what runs. */
const MEMORY_BYTE_LENGTH = 1 << 30;
const LINE_MAX_LENGTH = 1000;
/** Lines of the guest that stand in the message when it fails. */
const TOLD_LINES = 6;

export interface InstallGuestOptions {
  readonly kernel: Uint8Array;
  readonly initrd: Uint8Array;
  readonly commandLine: string;
  /** The file of the disk that becomes the system. */
  readonly diskFile: string;
  /** The file of the drive with the packages. */
  readonly packagesFile: string;
  /** Called with each line that the guest prints. */
  readonly onLine: (line: string) => void;
}

/**
 * Runs the guest that installs a system, in a machine of ours.
 *
 * @throws VivariumError `image/install` with the guest's last lines when it does not say that all is complete
 */
export async function runInstallGuest(options: InstallGuestOptions): Promise<void> {
  const disk = await openDisk(options.diskFile, { format: "raw" });
  const packages = await openDisk(options.packagesFile, { format: "raw", readOnly: true });
  const lines = new LineReader();
  const last: string[] = [];
  let isComplete = false;
  lines.onLine = (line) => {
    options.onLine(line);
    isComplete ||= line === INSTALL_COMPLETE;
    last.push(line);
    if (last.length > TOLD_LINES) last.shift();
  };
  try {
    const machine = await Machine.create({
      core: await loadCoreModule(),
      hartCount: 1,
      memoryByteLength: MEMORY_BYTE_LENGTH,
      clock: "host",
      boot: {
        kind: "linux",
        kernel: options.kernel,
        initrd: options.initrd,
        commandLine: options.commandLine,
      },
      drives: [{ backend: disk }, { backend: packages }],
      serial: lines,
      host: new NodeHostServices(),
    });
    await machine.run();
    await disk.flush();
  } finally {
    await Promise.all([disk.close(), packages.close()]);
  }
  if (isComplete) return;
  const message = `the guest that installs the packages has failed: ${last.join(" | ")}`;
  throw new VivariumError("image/install", message);
}

/** Cuts a guest's output into lines, without what is not printable. */
class LineReader {
  onLine: (line: string) => void = () => {};
  #partial = "";

  write(bytes: Uint8Array): void {
    const lines = (this.#partial + Buffer.from(bytes).toString("latin1")).split("\n");
    this.#partial = lines.pop()!.slice(-LINE_MAX_LENGTH);
    for (const line of lines) this.onLine(line.replaceAll(/[^ -~]/g, "").slice(0, LINE_MAX_LENGTH));
  }
}
