import { statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fileOf, MAIN, WORKER } from "../../host/platform/node/bundled-program.js";
import { packageDirectory } from "../../host/platform/node/core-module.js";

test.each([MAIN, WORKER])("$bundled is run, unless something was compiled after it", (program) => {
  const [bundled, compiled] = [program.bundled, program.compiled].map((file) => join(packageDirectory(), file));
  expect(fileOf(program)).toBe(bundled);
  const { atime, mtime } = statSync(bundled!);
  utimesSync(bundled!, atime, new Date(0));
  try {
    expect(fileOf(program)).toBe(compiled);
  } finally {
    utimesSync(bundled!, atime, mtime);
  }
});
