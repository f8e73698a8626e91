/** An image whose guest is a few instructions: it writes the alphabet, a letter every 20 ms, and does what is typed. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assemble } from "../../assembly/isa/assemble.js";
import { writeImageDirectory } from "../../host/platform/node/images/image-directory.js";

/** In boot-image-header.rst: where a loader puts the image, and what it knows it by. */
const TEXT_OFFSET = 0x08;
const IMAGE_BYTE_LENGTH = 0x10;
const MAGIC2 = 0x38;
const RSC5 = 0x05435352;
const LOADED_AT = 0x8020_0000n;

/**
 * Typed: `b` keeps the processor busy until the next `b`, `m` writes to each page of 24 MiB, `p` switches off, `f` fails,
 * `d` keeps a device busy until the next `d`. All else is answered in brackets.
 */
const LISTING = `
    j start
    .word 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
  start:
    .equ UART, 0x10000000
    .equ EID_TIME, 0x54494d45
    .equ EID_SRST, 0x53525354
    li s0, UART
    li s1, 0
    li t0, 0x20
    csrw sie, t0
  again:
    rdtime a0
    li t0, 200000
    add a0, a0, t0
    li a7, EID_TIME
    li a6, 0
    ecall
    wfi
    call typed
    addi t1, s1, 97
    sb t1, (s0)
    addi s1, s1, 1
    li t0, 26
    bltu s1, t0, again
    li s1, 0
    j again

  typed:
    lbu t0, 5(s0)
    andi t0, t0, 1
    beqz t0, nothing
    lbu t1, (s0)
    li t0, 98
    beq t1, t0, busy
    li t0, 100
    beq t1, t0, device
    li t0, 109
    beq t1, t0, memory
    li t0, 112
    beq t1, t0, off
    li t0, 102
    beq t1, t0, fail
    li t0, 91
    sb t0, (s0)
    sb t1, (s0)
    li t0, 93
    sb t0, (s0)
  nothing:
    ret

  busy:
    li t2, 100000
  count:
    addi t2, t2, -1
    bnez t2, count
    lbu t0, 5(s0)
    andi t0, t0, 1
    beqz t0, busy
    lbu t1, (s0)
    ret

  device:
    li t2, 1000
  touch:
    lbu t0, 7(s0)
    addi t2, t2, -1
    bnez t2, touch
    lbu t0, 5(s0)
    andi t0, t0, 1
    beqz t0, device
    lbu t1, (s0)
    ret

  memory:
    li t1, 0x80400000
    li t2, 0x81c00000
    li t3, 4096
  page:
    sd t1, (t1)
    add t1, t1, t3
    bltu t1, t2, page
    li t0, 77
    sb t0, (s0)
    ret

  off:
    li a0, 0
    li a1, 0
    li a7, EID_SRST
    li a6, 0
    ecall
  fail:
    li a0, 0
    li a1, 1
    li a7, EID_SRST
    li a6, 0
    ecall
`;

export interface LettersImage {
  /** For `MachineSpec.image`. */
  readonly path: string;
  remove(): Promise<void>;
}

export async function lettersImage(): Promise<LettersImage> {
  const directory = await mkdtemp(join(tmpdir(), "vivarium-letters-"));
  const path = join(directory, "image");
  const kernel = Uint8Array.from(assemble(LISTING, LOADED_AT).bytes);
  const header = new DataView(kernel.buffer);
  header.setBigUint64(TEXT_OFFSET, 0x20_0000n, true);
  header.setBigUint64(IMAGE_BYTE_LENGTH, BigInt(kernel.length), true);
  header.setUint32(MAGIC2, RSC5, true);
  const manifest = {
    name: "letters",
    recipeVersion: 1,
    architecture: "riscv64",
    packages: [],
    commandLine: "",
    minimumMemoryMiB: 32,
    execProtocol: 0,
  } as const;
  await writeImageDirectory(path, { manifest, kernel, initrd: new Uint8Array(1) }, () => {});
  return { path, remove: () => rm(directory, { recursive: true, force: true }) };
}

/** Where the alphabet goes on as it should not, in what the guest wrote; null where it is whole. What is in brackets and an M may stand between. */
export function firstGap(output: string): string | null {
  const letters = output.replaceAll(/\[.\]|M/g, "");
  for (let at = 1; at < letters.length; at++) {
    const expected = letters[at - 1] === "z" ? "a" : String.fromCharCode(letters.charCodeAt(at - 1) + 1);
    if (letters[at] !== expected) return `${letters.slice(Math.max(0, at - 5), at)}|${letters.slice(at, at + 5)}`;
  }
  return null;
}
