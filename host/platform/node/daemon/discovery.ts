import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/** Where a daemon of this user is, and what it lets its user in with. */
export interface Discovery {
  readonly url: string;
  readonly token: string;
  readonly pid: number;
  readonly data: string;
}

const FILE_NAME = "daemon.json";

/**
 * Where the daemon keeps its state unless it is told: VIV_DATA_DIR, or else as the XDG base directory specification
 * has it.
 */
export function dataDirectory(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  home: string = homedir(),
): string {
  const own = environment.VIV_DATA_DIR;
  if (own !== undefined && own !== "") return own;
  const shared = environment.XDG_DATA_HOME;
  // XDG: "If an implementation encounters a relative path in any of these variables it should ignore it".
  return join(shared !== undefined && isAbsolute(shared) ? shared : join(home, ".local", "share"), "vivarium");
}

/** Null when there is none, or its daemon does not live any more. */
export function readDiscovery(directory: string): Discovery | null {
  try {
    const found = JSON.parse(readFileSync(join(directory, FILE_NAME), "utf8")) as Partial<Discovery>;
    const { url, token, pid, data } = found;
    if (typeof url !== "string" || typeof token !== "string" || typeof pid !== "number") return null;
    return isAlive(pid) ? { url, token, pid, data: String(data) } : null;
  } catch {
    return null;
  }
}

/**
 * Says where the daemon is: beside its data, and where programs look that were told nothing, unless another daemon is
 * there. Only this user can read it.
 *
 * @returns a function that takes it back
 */
export function writeDiscovery(discovery: Discovery, standard: string = dataDirectory()): () => void {
  const other = readDiscovery(standard);
  const isFree = other === null || other.pid === discovery.pid;
  const directories = [...new Set([discovery.data, ...(isFree ? [standard] : [])])];
  const written = directories.filter((directory) => write(directory, discovery) || directory === discovery.data);
  return () => {
    for (const directory of written) {
      if (readDiscovery(directory)?.token === discovery.token) rmSync(join(directory, FILE_NAME), { force: true });
    }
  };
}

function write(directory: string, discovery: Discovery): boolean {
  const path = join(directory, FILE_NAME);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    // Whole or not at all, and never readable by others, whatever was there.
    const unfinished = `${path}.${process.pid}`;
    rmSync(unfinished, { force: true });
    writeFileSync(unfinished, `${JSON.stringify(discovery)}\n`, { mode: 0o600, flag: "wx" });
    chmodSync(unfinished, 0o600);
    renameSync(unfinished, path);
    return true;
  } catch (error) {
    if (directory === discovery.data) throw error;
    return false;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
