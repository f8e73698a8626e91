import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { assemble } from "../../assembly/isa/assemble.js";
import { viv } from "./viv-process.js";

const directory = mkdtempSync(join(tmpdir(), "viv-dump-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** Loops for a while, then switches off by the test device. */
const PROGRAM = `
  li t0, 30000000
loop:
  addi t0, t0, -1
  add t1, t1, t0
  bnez t0, loop
  li t0, 0x100000
  li t1, 0x5555
  sw t1, 0(t0)
  j .
`;

const program = join(directory, "loop");
const { bytes, symbols } = assemble(PROGRAM);
writeFileSync(program, bytes);
const loop = symbols.get("loop")!.toString(16);

async function dump(pc: string, ...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await viv(["run", "--bare", program, ...args, "--dump-region", pc]);
  expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
  return stderr;
}

test("viv: --dump-region shows the region that begins at an address, each instruction above its Wasm", async () => {
  const text = await dump(loop, "--translate", "eager");
  expect(text).toMatch(new RegExp(`^region +begins at 0x${loop}; \\d+ instructions, \\d+ bytes of Wasm\n`));
  expect(text).toContain(`\n${loop}  fff28293  addi t0,t0,-1\n`);
  expect(text).toMatch(/add t1,t1,t0\n *local\.get \$t1\n *local\.get \$t0\n *i64\.add\n *local\.set \$t1\n/);
});

test("viv: --dump-region says in a line that nothing was translated there", async () => {
  const none = (pc: string) =>
    `region        none has an instruction at ${pc}: it was not translated, or is no instruction\n`;
  expect(await dump("0x80000ffe", "--translate", "eager")).toBe(none("0x80000ffe"));
  expect(await dump(loop, "--translate", "off")).toBe(none(`0x${loop}`));
});
