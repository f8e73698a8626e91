import type { ProcessStart } from "./agent-client.js";

/** What processes are given to begin with, as a login by root would have it. */
export const USUAL_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  USER: "root",
  TERM: "vt220",
};

/** What runs a shell's command line. */
export function shellCommand(command: string): ProcessStart {
  return { argv: ["/bin/sh", "-c", command], directory: ".", environment: USUAL_ENVIRONMENT };
}
