/** Whether the guest is interpreted or translated, its history is the same. */

import { expect, test } from "vitest";
import { viv } from "../platform/viv-process.js";
import { defaultImage, testEnvironment } from "./default-image.js";

/** Translating all of a boot at once takes a minute: VIV_EAGER=1 asks for it. */
const MODES = process.env.VIV_EAGER === undefined ? ["on"] : ["on", "eager"];

/** Of everything a little: processes, pipes, files, checksums, floating point, a disk that is not there, waiting. */
const WORK = [
  "seq 2000 | sort -r | sha256sum",
  "head -c 1000000 /dev/zero | tr '\\0' 'v' > /run/file; cksum /run/file; gzip -c /run/file | wc -c",
  "for n in 1 2 3 4 5 6 7 8 9 10; do (echo $n; sleep 0.01); done | md5sum",
  "awk 'BEGIN { for (n = 0; n < 20000; n++) s += sin(n) / (n + 1); printf \"%.9f\\n\", s }'",
  "cat /proc/interrupts /proc/uptime",
].join("; ");

interface History {
  readonly stdout: string;
  readonly instructions: string | undefined;
  readonly stateHash: string | undefined;
  readonly translatedPercent: number;
}

async function history(mode: string): Promise<History> {
  const args = ["run", "--clock", "virtual", "--stats", "--translate", mode, "--exec", WORK];
  const { status, stdout, stderr } = await viv(args, { env: testEnvironment() });
  expect(status, stderr).toBe(0);
  const fact = (pattern: RegExp) => pattern.exec(stderr)?.[1];
  return {
    stdout,
    instructions: fact(/^instructions +(\d+)$/m),
    stateHash: fact(/^state hash +([0-9a-f]+)$/m),
    translatedPercent: Number(fact(/^translated +([\d.]+) %/m) ?? 0),
  };
}

test(`translation: the default image boots and works with the same output, instruction count and state hash under off, ${MODES.join(" and ")}`, async (context) => {
  await defaultImage(context);
  const interpreted = await history("off");
  expect(interpreted.stateHash).toMatch(/^[0-9a-f]{32}$/);
  expect(interpreted.translatedPercent).toBe(0);
  for (const mode of MODES) {
    const translated = await history(mode);
    expect({ mode, ...translated, translatedPercent: 0 }).toEqual({ mode, ...interpreted });
    expect(translated.translatedPercent).toBeGreaterThan(30);
  }
}, 400_000);
