import { realpath } from "node:fs/promises";
import { isAbsolute, resolve, sep } from "node:path";
import type { MachineRequest, Role } from "../../../control/hypervisor/schemas.js";
import { type NetworkRequest, readNetworks } from "../../../control/network-options.js";
import { VivariumError } from "../../../util/errors.js";
import { mayActAs } from "./principal.js";

const NETWORKS_MAX = 4;

/** What of the host machines may be given: folders below the roots that the daemon was started with, and networks. */
export class Grants {
  readonly #roots: readonly string[];

  private constructor(roots: readonly string[]) {
    this.#roots = roots;
  }

  /** @throws VivariumError `option/invalid` for a root that is no folder */
  static async of(roots: readonly string[]): Promise<Grants> {
    const real = roots.map((root) =>
      realpath(root).catch((error: NodeJS.ErrnoException) => {
        throw new VivariumError("option/invalid", `--share-root: ${root} cannot be used (${error.code})`);
      }),
    );
    return new Grants(await Promise.all(real));
  }

  /**
   * The request, with the folders as they really are: links are resolved before it is looked where they are.
   *
   * @throws VivariumError `permission/folder`, `permission/network`, `option/invalid`
   */
  async check(request: MachineRequest, role: Role): Promise<MachineRequest> {
    for (const network of readNetworks(request.networks ?? [], NETWORKS_MAX)) checkNetwork(network, role);
    if (request.folders === undefined) return request;
    const folders = await Promise.all(
      request.folders.map(async (folder) => ({ ...folder, directory: await this.#realFolder(folder.directory) })),
    );
    return { ...request, folders };
  }

  /** Whether a folder of a machine that there is may still be shared. */
  allowsFolder(directory: string): Promise<boolean> {
    return this.#realFolder(directory).then(
      (real) => real === directory,
      () => false,
    );
  }

  async #realFolder(directory: string): Promise<string> {
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
    const isBelow = (root: string) => real === root || real.startsWith(root.endsWith(sep) ? root : root + sep);
    if (this.#roots.some(isBelow)) return real;
    throw refused;
  }
}

/**
 * A network by which a machine gets at devices and sockets of the host, or others get at it from outside of the host, is
 * for an admin to give.
 */
function checkNetwork({ link }: NetworkRequest, role: Role): void {
  switch (link.kind) {
    case "unplugged":
      return;
    case "user": {
      const open = link.forwards.find(({ host }) => !/^(127\.|::1$|localhost$)/.test(host));
      if (open !== undefined) needAdmin(role, `a forwarded port of ${open.host}, which others can reach`);
      return;
    }
    case "socket":
    case "ws":
    case "tap":
      needAdmin(role, `a network of the kind ${link.kind}`);
  }
}

function needAdmin(role: Role, what: string): void {
  if (mayActAs(role, "admin")) return;
  throw new VivariumError("permission/network", `${what}, needs the role admin`);
}
