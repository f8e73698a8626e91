import { isAbsolute, join } from "node:path";

/**
 * Where files are kept that can be made again: VIV_CACHE_DIR, or else as the XDG base directory specification has it.
 *
 * @param home the user's home directory
 */
export function cacheDirectory(environment: Readonly<Record<string, string | undefined>>, home: string): string {
  const own = environment.VIV_CACHE_DIR;
  if (own !== undefined && own !== "") return own;
  const shared = environment.XDG_CACHE_HOME;
  // XDG: "If an implementation encounters a relative path in any of these variables it should ignore it".
  const parent = shared !== undefined && isAbsolute(shared) ? shared : join(home, ".cache");
  return join(parent, "vivarium");
}
