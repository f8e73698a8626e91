// Programs of a few instructions for `--bare`, which starts a raw binary in M-mode at 0x80000000.

/** lui rd, upper20 */
const lui = (rd: number, upper: number) => ((upper << 12) | (rd << 7) | 0x37) >>> 0;
/** addi rd, rs1, imm */
const addi = (rd: number, rs1: number, imm: number) => ((imm << 20) | (rs1 << 15) | (rd << 7) | 0x13) >>> 0;
/** sb rs2, 0(rs1) */
const sb = (rs2: number, rs1: number) => ((rs2 << 20) | (rs1 << 15) | 0x23) >>> 0;
/** sw rs2, 0(rs1) */
const sw = (rs2: number, rs1: number) => ((rs2 << 20) | (rs1 << 15) | (2 << 12) | 0x23) >>> 0;
/** lbu rd, offset(rs1) */
const lbu = (rd: number, rs1: number, offset: number) =>
  ((offset << 20) | (rs1 << 15) | (4 << 12) | (rd << 7) | 0x03) >>> 0;
/** andi rd, rs1, imm */
const andi = (rd: number, rs1: number, imm: number) => ((imm << 20) | (rs1 << 15) | (7 << 12) | (rd << 7) | 0x13) >>> 0;
/** jal x0, byteOffset; -2048 to 2046 */
const jump = (byteOffset: number) => {
  const o = byteOffset & 0x1fffff;
  const bits = ((o >> 20) << 31) | (((o >> 1) & 0x3ff) << 21) | (((o >> 11) & 1) << 20) | (((o >> 12) & 0xff) << 12);
  return (bits | 0x6f) >>> 0;
};
/** beq rs1, x0, byteOffset; -4096 to 4094 */
const beqz = (rs1: number, byteOffset: number) => {
  const o = byteOffset & 0x1fff;
  const high = ((o >> 12) << 31) | (((o >> 5) & 0x3f) << 25);
  const low = (((o >> 1) & 0xf) << 8) | (((o >> 11) & 1) << 7);
  return (high | (rs1 << 15) | low | 0x63) >>> 0;
};

const T0 = 5;
const T1 = 6;
const SYSCON_PAGE = 0x100;
const UART_PAGE = 0x10000;

function binary(...words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(words.length * 4);
  const view = new DataView(bytes.buffer);
  words.forEach((word, index) => {
    view.setUint32(index * 4, word, true);
  });
  return bytes;
}

/** Loads a constant whose bit 11 is 0. */
const load = (rd: number, value: number) => [lui(rd, value >>> 12), addi(rd, rd, value & 0x7ff)];

const print = (text: string) => [
  lui(T0, UART_PAGE),
  ...Array.from(text, (character) => [addi(T1, 0, character.charCodeAt(0)), sb(T1, T0)]).flat(),
];

/** Writes `value` to the test device: 0x5555 switches off, 0x7777 resets, 0x3333 with a code above it fails. */
const finish = (value: number) => [lui(T0, SYSCON_PAGE), ...load(T1, value), sw(T1, T0), jump(0)];

/** Prints and switches off. */
export const hello = (text: string) => binary(...print(text), ...finish(0x5555));
/** Fails with a code below 2^15. */
export const failing = (code: number) => binary(...finish(((code << 16) | 0x3333) >>> 0));
/** Prints once and runs on for ever. */
export const endless = (text: string) => binary(...print(text), jump(0));
/** Prints for ever. */
export const flood = () => binary(...print("y"), jump(-4));
/** Prints, then sends back what it receives, for ever. */
export const echo = (text: string) =>
  binary(...print(text), lbu(T1, T0, 5), andi(T1, T1, 1), beqz(T1, -8), lbu(T1, T0, 0), sb(T1, T0), jump(-20));
/** Resets the machine for ever, printing a character each time. */
export const resetting = () => binary(...print("r"), ...finish(0x7777));
