/**
 * Debian packages of another release and architecture, by the machine's apt but apart from its own state: apt fetches
 * and checks signatures and checksums, nothing of the machine's package management is read or changed, and no special
 * rights are needed.
 */

import { constants } from "node:fs";
import { access, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { VivariumError } from "../../../util/errors.js";
import { parseStanzas, type Stanza } from "./deb822.js";
import { chooseMirror, INDEX_TARGETS, MIRROR_VARIABLE } from "./debian-mirror.js";
import { noRoom } from "./room.js";
import { reasonOf, runTool, ToolError, type ToolOptions } from "./tool.js";

/** A package as the signed lists describe it. */
export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  /** Length of the package file. */
  readonly byteLength: number;
  /** 64 lower-case hexadecimal digits, of the package file. */
  readonly sha256: string;
  /** The field as it stands: "a, b (>= 1) | c". */
  readonly depends: string;
}

export interface PrivateAptOptions {
  /** Holds everything that this apt reads and writes; must be empty. */
  readonly directory: string;
  readonly suite: string;
  readonly architecture: string;
  /** The value of VIV_DEBIAN_MIRROR, if it is set. */
  readonly mirror: string | undefined;
  /** Lets so many milliseconds pass. */
  readonly pause?: (ms: number) => Promise<unknown>;
}

/** How much of a transfer is done, from 0 to 1. */
export type OnFraction = (fraction: number) => void;

const WATCH_INTERVAL_MS = 200;

/** How apt says that a list is not the one in the signed index: the mirror's files are of different days. */
const MIXED_MIRROR = /Mirror sync in progress|File has unexpected size|Hash Sum mismatch/i;
/** It is asked again: the mirror may be about to be whole, milliseconds after the time before. */
const MIXED_PAUSES_MS = [0, 10_000, 30_000];
/** What a release is called beside its own name: other addresses of the same files, which a cache keeps by themselves. */
const RELEASE_CLASSES = ["stable", "oldstable"];

const KEYRINGS = ["/usr/share/keyrings/debian-archive-keyring.pgp", "/usr/share/keyrings/debian-archive-keyring.gpg"];
/** What the machine's configuration may say about how to reach the network and whether clocks are to be trusted. */
const INHERITED_SETTING =
  /^Acquire::(?:https?|ftp|socks5?h?|tor|Retries|ForceIPv[46]|Check-Date|Check-Valid-Until|Max-FutureTime)(?:::[^\s"]*)? "[^"]*";$/i;

/** What apt passes on of ENOSPC and EDQUOT, in the C locale. */
const NO_ROOM = /No space left on device|Disk quota exceeded|not enough free space/i;

export class PrivateApt {
  readonly #directory: string;
  readonly #suite: string;
  readonly #architecture: string;
  readonly #mirror: string;
  readonly #keyring: string;
  readonly #helper: string;
  readonly #pause: (ms: number) => Promise<unknown>;

  private constructor(options: PrivateAptOptions, mirror: string, keyring: string, helper: string) {
    this.#directory = options.directory;
    this.#suite = options.suite;
    this.#architecture = options.architecture;
    this.#mirror = mirror;
    this.#keyring = keyring;
    this.#helper = helper;
    this.#pause = options.pause ?? ((ms) => sleep(ms));
  }

  /** @throws VivariumError when the machine has no apt, no mirror or no keyring of Debian's archive */
  static async create(options: PrivateAptOptions): Promise<PrivateApt> {
    const machine = await readMachineSettings();
    const mirror = chooseMirror(options.mirror, options.mirror ? "" : await machineIndexTargets());
    const keyring = await findKeyring();
    const apt = new PrivateApt(options, mirror, keyring, join(dirname(machine.methods), "apt-helper"));
    await apt.#writeConfiguration(machine);
    return apt;
  }

  /**
   * Fetches the package lists and checks their signature.
   *
   * @param onBytes called with what has arrived, and with the whole once the signed index of the lists tells it
   */
  async update(onBytes: (doneBytes: number, totalBytes: number | null) => void): Promise<void> {
    const watch = setInterval(() => {
      this.#measureLists().then(
        ([doneBytes, totalBytes]) => onBytes(doneBytes, totalBytes),
        () => {}, // apt has just moved a file: the next look will do.
      );
    }, WATCH_INTERVAL_MS);
    try {
      await this.#fetchLists();
    } catch (error) {
      if (error instanceof ToolError && /NO_PUBKEY|not signed|signatures? (?:couldn't|could not)/i.test(error.stderr)) {
        const message = `${this.#mirror}: no key in ${this.#keyring} has signed Debian ${this.#suite}: install a newer debian-archive-keyring`;
        throw new VivariumError("image/keyring", message, { mirror: this.#mirror, keyring: this.#keyring });
      }
      throw this.#fetchError(error);
    } finally {
      clearInterval(watch);
    }
  }

  /** Until the lists are those of their index; under whichever of its names the release has them so. */
  async #fetchLists(): Promise<void> {
    let mixed: unknown;
    for (const pauseMs of MIXED_PAUSES_MS) {
      await this.#pause(pauseMs);
      for (const name of [this.#suite, ...RELEASE_CLASSES]) {
        try {
          await this.#fetchListsOf(name);
          return;
        } catch (error) {
          if (name !== this.#suite) continue;
          if (!(error instanceof ToolError && MIXED_MIRROR.test(error.stderr))) throw error;
          mixed = error;
        }
      }
    }
    throw mixed;
  }

  async #fetchListsOf(name: string): Promise<void> {
    const lists = join(this.#directory, "state/lists");
    await rm(lists, { recursive: true });
    await mkdir(join(lists, "partial"), { recursive: true });
    await this.#writeSources(name);
    await this.#run("apt-get", ["-q", "update"]);
    if (name === this.#suite) return;
    const index = (await readdir(lists)).find((file) => file.endsWith("Release"));
    const [, codename] = /^Codename: (\S+)$/m.exec(await readFile(join(lists, index ?? ""), "latin1")) ?? [];
    if (codename !== this.#suite) throw new Error(`${this.#mirror}: ${name} is ${codename}, not ${this.#suite}`);
  }

  async #measureLists(): Promise<[doneBytes: number, totalBytes: number | null]> {
    const directory = join(this.#directory, "state/lists");
    let doneBytes = 0;
    let totalBytes: number | null = null;
    for (const name of await readdir(directory, { recursive: true })) {
      const file = await stat(join(directory, name));
      if (!file.isFile()) continue;
      doneBytes += file.size;
      if (!name.endsWith("_InRelease")) continue;
      const index = await readFile(join(directory, name), "latin1");
      const listByteLength = new RegExp(` (\\d+) main/binary-${this.#architecture}/Packages\\.xz$`, "m").exec(
        index,
      )?.[1];
      if (listByteLength !== undefined) totalBytes = file.size + Number(listByteLength);
    }
    // A list that has arrived is unpacked, and then longer than it was on its way.
    return [Math.min(doneBytes, totalBytes ?? doneBytes), totalBytes];
  }

  /** The newest version of a package. */
  async show(name: string): Promise<DebianPackage> {
    let text: string;
    try {
      text = (await this.#run("apt-cache", ["show", "--no-all-versions", name])).toString();
    } catch (error) {
      if (!(error instanceof ToolError)) throw error;
      throw new VivariumError("image/package", `${this.#mirror}: Debian ${this.#suite} has no package ${name}`, {
        name,
      });
    }
    return packageOf(parseStanzas(text)[0] ?? new Map());
  }

  /**
   * What would be installed into an empty system, without what is merely recommended.
   *
   * @param patterns names, or patterns of apt-patterns(7)
   * @returns the packages' names, each after those it needs, as far as that can be
   */
  async plan(patterns: readonly string[]): Promise<string[]> {
    let text: string;
    try {
      const options = ["-q", "--simulate", "-o", "APT::Install-Recommends=false"];
      text = (await this.#run("apt-get", [...options, "install", ...patterns])).toString();
    } catch (error) {
      if (!(error instanceof ToolError)) throw error;
      const message = `${this.#mirror}: Debian ${this.#suite} cannot be installed from there (${reasonOf(error)})`;
      throw new VivariumError("image/package", message);
    }
    return [...text.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name!);
  }

  /** The newest versions of packages, in the order of `names`. */
  async showAll(names: readonly string[]): Promise<DebianPackage[]> {
    const text = (await this.#run("apt-cache", ["show", "--no-all-versions", ...names])).toString();
    const packages = new Map(parseStanzas(text).map((stanza) => [stanza.get("package"), packageOf(stanza)]));
    return names.map((name) => {
      const found = packages.get(name);
      if (found !== undefined) return found;
      throw new VivariumError("image/package", `${this.#mirror}: Debian ${this.#suite} has no package ${name}`, {
        name,
      });
    });
  }

  /** @returns the package files, in the order of `packages`; apt has compared them with the signed lists */
  async download(packages: readonly DebianPackage[], onFraction?: OnFraction): Promise<string[]> {
    const directory = join(this.#directory, "packages");
    await mkdir(directory);
    const wanted = packages.map(({ name, version }) => `${name}=${version}`);
    try {
      await this.#run("apt-get", ["-q", "-o", "APT::Status-Fd=3", "download", ...wanted], onFraction, directory);
    } catch (error) {
      throw this.#fetchError(error);
    }
    const files = await readdir(directory);
    return packages.map(({ name }) => {
      const file = files.find((candidate) => candidate.startsWith(`${name}_`) && candidate.endsWith(".deb"));
      if (file === undefined) throw this.#fetchError(new Error(`apt-get download left no file of ${name}`));
      return join(directory, file);
    });
  }

  /** Unpacks the files of a package into an empty directory. */
  async unpack(packageFile: string, directory: string): Promise<void> {
    await this.#run("dpkg-deb", ["--extract", packageFile, directory]);
  }

  /** The control files of a package, and the files it installs, each as a tar archive. */
  async tars(packageFile: string): Promise<{ readonly control: Uint8Array; readonly tree: Uint8Array }> {
    const control = await this.#run("dpkg-deb", ["--ctrl-tarfile", packageFile]);
    return { control, tree: await this.#run("dpkg-deb", ["--fsys-tarfile", packageFile]) };
  }

  /** The address that packages come from, without a user's name and password. */
  get publicMirror(): string {
    return this.#mirror.replace(/^([a-z0-9+.-]+:\/\/)[^/@]*@/i, "$1");
  }

  /** The content of a file, decompressed as its name says; apt itself needs xz, so no other program has to have it. */
  async readCompressed(file: string): Promise<Uint8Array> {
    return this.#run(this.#helper, ["cat-file", file]);
  }

  async #run(
    tool: string,
    args: readonly string[],
    onFraction?: OnFraction,
    workingDirectory?: string,
  ): Promise<Buffer> {
    const options: ToolOptions = {
      environment: { APT_CONFIG: join(this.#directory, "apt.conf") },
      ...(workingDirectory === undefined ? {} : { workingDirectory }),
      onStatus: (line) => {
        const percent = /^dlstatus:\d+:([\d.]+):/.exec(line)?.[1];
        if (percent !== undefined) onFraction?.(Math.min(Number(percent) / 100, 1));
      },
    };
    try {
      return await runTool(tool, args, options);
    } catch (error) {
      if (error instanceof ToolError && NO_ROOM.test(error.stderr)) throw noRoom(this.#directory, "is full");
      throw explainMissing(error);
    }
  }

  async #writeConfiguration(machine: MachineSettings): Promise<void> {
    const inside = (name: string): string => join(this.#directory, name);
    for (const name of ["state/lists/partial", "cache/archives/partial"])
      await mkdir(inside(name), { recursive: true });
    await writeFile(inside("status"), "");
    await this.#writeSources(this.#suite);
    const settings: readonly (readonly [string, string])[] = [
      ["Dir::State", inside("state")],
      ["Dir::State::status", inside("status")],
      ["Dir::Cache", inside("cache")],
      ["Dir::Etc::main", "/dev/null"],
      ["Dir::Etc::parts", "/dev/null"],
      ["Dir::Etc::sourcelist", inside("sources.list")],
      ["Dir::Etc::sourceparts", "/dev/null"],
      ["Dir::Etc::preferences", "/dev/null"],
      ["Dir::Etc::preferencesparts", "/dev/null"],
      ["Dir::Etc::trusted", "/dev/null"],
      ["Dir::Etc::trustedparts", "/dev/null"],
      ...machine.logins,
      ["APT::Architecture", this.#architecture],
      ["APT::Architectures::", this.#architecture],
      ["APT::Get::List-Cleanup", "false"],
      ["APT::Update::Error-Mode", "any"],
      // To root, apt's own user could not write below a home directory; to others this means nothing.
      ["APT::Sandbox::User", "root"],
      ["Acquire::Languages", "none"],
    ];
    const lines = [...machine.inherited, ...settings.map(([name, value]) => `${name} "${value}";`)];
    await writeFile(inside("apt.conf"), `${lines.join("\n")}\n`);
  }

  /** @param name of the release that packages are taken from */
  async #writeSources(name: string): Promise<void> {
    const line = `deb [signed-by=${this.#keyring}] ${this.#mirror} ${name} main\n`;
    await writeFile(join(this.#directory, "sources.list"), line);
  }

  #fetchError(error: unknown): VivariumError {
    if (error instanceof VivariumError) return error;
    const message = `cannot fetch Debian ${this.#suite} packages from ${this.#mirror} (${reasonOf(error)}): set ${MIRROR_VARIABLE} to the address of a mirror that can be reached`;
    return new VivariumError("image/fetch", message, { mirror: this.#mirror });
  }
}

function packageOf(stanza: Stanza): DebianPackage {
  const field = (key: string): string => stanza.get(key) ?? "";
  return {
    name: field("package"),
    version: field("version"),
    byteLength: Number(field("size")),
    sha256: field("sha256"),
    depends: field("depends"),
  };
}

/** What of the machine's own configuration of apt is of use here. */
interface MachineSettings {
  /** Lines of a configuration file. */
  readonly inherited: readonly string[];
  /** Where the machine keeps the user names and passwords of mirrors: settings that say so, as far as we may read. */
  readonly logins: readonly (readonly [string, string])[];
  /** The directory of the programs by which apt fetches. */
  readonly methods: string;
}

async function readMachineSettings(): Promise<MachineSettings> {
  const dump = (await runAptConfig(["dump"])).split("\n");
  const paths = await runAptConfig([
    ...[
      "shell",
      "netrc",
      "Dir::Etc::netrc/f",
      "netrcparts",
      "Dir::Etc::netrcparts/d",
      "methods",
      "Dir::Bin::methods/d",
    ],
  ]);
  const path = (name: string): string => new RegExp(`^${name}='(.*)'$`, "m").exec(paths)?.[1] ?? "";
  const logins: [string, string][] = [];
  for (const name of ["netrc", "netrcparts"]) {
    const isReadable = await access(path(name), constants.R_OK).then(
      () => true,
      () => false,
    );
    logins.push([`Dir::Etc::${name}`, isReadable ? path(name) : "/dev/null"]);
  }
  return { inherited: dump.filter((line) => INHERITED_SETTING.test(line)), logins, methods: path("methods") };
}

async function runAptConfig(args: readonly string[]): Promise<string> {
  try {
    return (await runTool("apt-config", args)).toString();
  } catch (error) {
    throw explainMissing(error);
  }
}

async function machineIndexTargets(): Promise<string> {
  try {
    return (await runTool("apt-get", INDEX_TARGETS)).toString();
  } catch (error) {
    const message = `this machine's apt cannot say which mirrors it uses (${reasonOf(error)}): set ${MIRROR_VARIABLE} to the address of a Debian mirror`;
    throw new VivariumError("image/mirror", message);
  }
}

async function findKeyring(): Promise<string> {
  for (const keyring of KEYRINGS) {
    const isReadable = await access(keyring, constants.R_OK).then(
      () => true,
      () => false,
    );
    if (isReadable) return keyring;
  }
  const message = `cannot check Debian's signatures without its keys in ${KEYRINGS[0]}: install debian-archive-keyring`;
  throw new VivariumError("image/keyring", message);
}

/** A missing program of apt's is the operator's to install; every other error stays what it is. */
function explainMissing(error: unknown): unknown {
  if (!(error instanceof ToolError) || !error.isMissing) return error;
  const message = `building an image takes Debian's apt, and this machine has no ${error.tool}: install apt, or give the directory of an image built elsewhere`;
  return new VivariumError("image/apt", message, { tool: error.tool });
}
