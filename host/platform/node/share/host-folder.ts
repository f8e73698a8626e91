import { statfsSync, statSync } from "node:fs";
import type { FolderStatistics, SharedFolder } from "../../../share/shared-folder.js";
import { VivariumError } from "../../../util/errors.js";
import { type HeldDirectory, holdDirectory } from "./held-directory.js";
import { HostDirectory, type HostFolderFacts } from "./host-directory.js";
import { attempt } from "./host-errno.js";
import { ownersFor } from "./owners.js";

/** A folder of the host. */
export class HostFolder implements SharedFolder {
  readonly readOnly: boolean;
  readonly #held: HeldDirectory;
  readonly #facts: HostFolderFacts;

  private constructor(held: HeldDirectory, facts: HostFolderFacts, readOnly: boolean) {
    this.#held = held;
    this.#facts = facts;
    this.readOnly = readOnly;
  }

  /**
   * @param path of a directory, or of a link to one
   * @param hold how directories are held: by default as safely as the host allows
   * @throws VivariumError `share/unusable`
   */
  static open(path: string, readOnly: boolean, hold: (path: string) => HeldDirectory = holdDirectory): HostFolder {
    try {
      const { dev } = statSync(path, { bigint: true });
      const owners = ownersFor(process.getuid?.() ?? 0, process.getgid?.() ?? 0);
      return new HostFolder(hold(path), { rootDevice: dev, owners }, readOnly);
    } catch (error) {
      throw new VivariumError("share/unusable", `--share: ${problemOf(path, error)}; expected a directory`, { path });
    }
  }

  root(): HostDirectory {
    return attempt(() => new HostDirectory(this.#held.openDirectory("."), this.#facts));
  }

  statistics(): FolderStatistics {
    return attempt(() => {
      const { bsize, blocks, bfree, bavail, files, ffree } = this.#held.within((path) =>
        statfsSync(path("."), { bigint: true }),
      );
      return {
        blockByteLength: Number(bsize),
        blocks,
        freeBlocks: bfree,
        availableBlocks: bavail,
        files,
        freeFiles: ffree,
      };
    });
  }

  close(): void {
    this.#held.close();
  }
}

function problemOf(path: string, error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  switch (code) {
    case "ENOENT":
      return `${path} does not exist`;
    case "ENOTDIR":
      return `${path} is no directory`;
    case "EACCES":
    case "EPERM":
      return `${path} may not be read`;
    default:
      return `${path} cannot be opened (${code ?? String(error)})`;
  }
}
