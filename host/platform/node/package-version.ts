import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageDirectory } from "./core-module.js";

/** This program's version, as package.json says it. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(join(packageDirectory(), "package.json"), "utf8")) as { version: string };
  return version;
}
