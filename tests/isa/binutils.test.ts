/** Our assembler and disassembler against GNU binutils: an implementation that knows nothing of our table. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { assemble } from "../../assembly/isa/assemble.js";
import { csrs } from "../../assembly/isa/csrs.js";
import { disassemble } from "../../assembly/isa/disassemble.js";
import { encode } from "../../assembly/isa/encode.js";
import { compressedTable, instructionTable } from "../../assembly/isa/table.js";
import { halfwords, wordsOf } from "./words.js";

const PREFIX = "riscv64-unknown-elf-";
const MARCH = "rv64imafdc_zicsr_zifencei_zba_zbb_zbc_zbs_zbkb_zbkx_zicbom_zicbop_zicboz_zihintpause_svinval";
const isInstalled = spawnSync(`${PREFIX}objdump`, ["--version"]).status === 0;
if (!isInstalled) {
  if (process.env.CI) throw new Error(`${PREFIX}objdump is missing: install binutils-riscv64-unknown-elf`);
  process.stderr.write(`skipped: ${PREFIX}objdump is missing (Debian: binutils-riscv64-unknown-elf)\n`);
}

/** What binutils 2.40, Debian 12's, does not know or writes otherwise. */
const NOT_COMPARED = [
  /^\./, // no instruction to us; binutils names some with reserved fields
  /^czero/, // Zicond came with 2.41
  /^csrr\w+ \w+,0x/, // a CSR that this machine does not have
  /^fcvt\.d\.(s|w|wu) .*,\w{3}$/, // conversions that never round, with a rounding mode
  /^fence .*\b0\b/, // an empty set is "unknown"
  /^c\.(slli|srli|srai) .*,0x0$/, // a shift by 0, which is 64 in RV128
];
const isCompared = (text: string) => !NOT_COMPARED.some((pattern) => pattern.test(text));

/** Runs `action` in a folder of its own. */
function inFolder<T>(action: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "binutils-test-"));
  try {
    return action(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** objdump's text of each instruction, spaces and symbols left out. */
function objdump(instructions: readonly { readonly bits: number; readonly byteLength: number }[]): string[] {
  return inFolder((folder) => {
    const lines = instructions.map(({ bits, byteLength }) => `.insn ${byteLength}, 0x${bits.toString(16)}`);
    writeFileSync(join(folder, "a.s"), `${lines.join("\n")}\n`);
    execFileSync(`${PREFIX}as`, [`-march=${MARCH}`, "-mabi=lp64d", "-o", "a.o", "a.s"], { cwd: folder });
    const text = execFileSync(`${PREFIX}objdump`, ["-d", "-M", "no-aliases", "a.o"], {
      cwd: folder,
      encoding: "utf8",
      maxBuffer: 1 << 28,
    });
    return [...text.matchAll(/^\s*[\da-f]+:\t[\da-f ]+\t(.*)$/gm)].map(([, line]) =>
      line!
        .replace(/\s*[<#].*$/, "")
        .trim()
        .replace("\t", " "),
    );
  });
}

const HAS_TARGET = /^(c\.)?(j|jal|b(eq|ne|lt|ge)u?z?) /;

/** Our text as objdump writes it: targets without 0x. */
function ours(word: number, pc: bigint): string {
  const text = disassemble(word, pc);
  return HAS_TARGET.test(text) ? text.replace(/0x([\da-f]+)$/, "$1") : text;
}

describe.skipIf(!isInstalled)("binutils", () => {
  it("disassembles words of every row as we do", () => {
    const valid = instructionTable.flatMap((row, n) =>
      wordsOf(row.encoding, 60, n).filter((word) => isCompared(disassemble(word))),
    );
    expect(valid.length).toBeGreaterThan(instructionTable.length * 40);
    const theirs = objdump(valid.map((bits) => ({ bits, byteLength: 4 })));
    const wrong = valid.flatMap((word, n) => {
      const text = ours(word, BigInt(4 * n));
      return theirs[n] === text ? [] : [`0x${word.toString(16)}: ${text}, binutils: ${theirs[n]}`];
    });
    expect(wrong).toEqual([]);
  });

  it("names every CSR as we do", () => {
    const words = csrs.map((csr) => encode("csrrs", { rd: 10, rs1: 0, csr: csr.number }));
    expect(objdump(words.map((bits) => ({ bits, byteLength: 4 })))).toEqual(words.map((word) => ours(word, 0n)));
  });

  it("disassembles every halfword as we do", () => {
    const valid = halfwords.filter((h) => isCompared(disassemble(h)));
    const theirs = objdump(valid.map((bits) => ({ bits, byteLength: 2 })));
    const wrong = valid.flatMap((h, n) => {
      const text = ours(h, BigInt(2 * n));
      return theirs[n] === text ? [] : [`0x${h.toString(16)}: ${text}, binutils: ${theirs[n]}`];
    });
    expect(wrong).toEqual([]);
  });

  it("assembles our text of words of every row to the same words", () => {
    const texts = [...instructionTable, ...compressedTable].flatMap((row, n) =>
      wordsOf(row.encoding, 20, n)
        .map((word) => disassemble(word, 0n))
        // binutils takes a numeric target for an absolute address that only the linker can reach.
        .filter((text) => isCompared(text) && !HAS_TARGET.test(text)),
    );
    const theirs = inFolder((folder) => {
      writeFileSync(
        join(folder, "a.s"),
        `.option norvc\n${texts.map((text) => (text.startsWith("c.") ? `.option rvc\n${text}\n.option norvc` : text)).join("\n")}\n`,
      );
      execFileSync(`${PREFIX}as`, [`-march=${MARCH}`, "-mabi=lp64d", "-o", "a.o", "a.s"], { cwd: folder });
      execFileSync(`${PREFIX}objcopy`, ["-O", "binary", "-j", ".text", "a.o", "a.bin"], { cwd: folder });
      return readFileSync(join(folder, "a.bin"));
    });
    expect(Buffer.from(assemble(texts.join("\n"), 0n).bytes).equals(theirs)).toBe(true);
  });
});
