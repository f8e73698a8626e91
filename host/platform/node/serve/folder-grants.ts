import { realpath } from "node:fs/promises";
import { isAbsolute, resolve, sep } from "node:path";
import type { MachineRequest } from "../../../control/hypervisor/schemas.js";
import { VivariumError } from "../../../util/errors.js";

/** Which folders of the host machines may be given: those below the roots that the daemon was started with. */
export class FolderGrants {
  readonly #roots: readonly string[];

  private constructor(roots: readonly string[]) {
    this.#roots = roots;
  }

  /** @throws VivariumError `option/invalid` for a root that is no folder */
  static async of(roots: readonly string[]): Promise<FolderGrants> {
    const real = roots.map((root) =>
      realpath(root).catch((error: NodeJS.ErrnoException) => {
        throw new VivariumError("option/invalid", `--share-root: ${root} cannot be used (${error.code})`);
      }),
    );
    return new FolderGrants(await Promise.all(real));
  }

  /**
   * The request, with the folders as they really are: links are resolved before it is looked where they are.
   *
   * @throws VivariumError `permission/folder`
   */
  async grant(request: MachineRequest): Promise<MachineRequest> {
    if (request.folders === undefined) return request;
    const folders = await Promise.all(
      request.folders.map(async (folder) => ({ ...folder, directory: await this.#check(folder.directory) })),
    );
    return { ...request, folders };
  }

  async #check(directory: string): Promise<string> {
    const shown = JSON.stringify(directory.slice(0, 200));
    // The same whether it exists or not: nobody learns here what there is on the host.
    const refused = new VivariumError(
      "permission/folder",
      this.#roots.length === 0
        ? `${shown} may not be shared; "viv serve --share-root DIR" allows the folders below one`
        : `${shown} may not be shared; expected an absolute path of a folder below ${this.#roots.join(" or ")}`,
    );
    if (!isAbsolute(directory) || directory.includes("\0")) throw refused;
    const real = await realpath(resolve(directory)).catch(() => {
      throw refused;
    });
    if (this.#roots.some((root) => real === root || real.startsWith(root.endsWith(sep) ? root : root + sep)))
      return real;
    throw refused;
  }
}
