import { instructions } from "./instruction.js";

/** Address generation. */
export const zba = instructions(
  "Zba",
  "integer",
  "bitmanip",
  `
  add.uw     0000100 rs2 rs1 000 rd 0111011
  sh1add     0010000 rs2 rs1 010 rd 0110011
  sh1add.uw  0010000 rs2 rs1 010 rd 0111011
  sh2add     0010000 rs2 rs1 100 rd 0110011
  sh2add.uw  0010000 rs2 rs1 100 rd 0111011
  sh3add     0010000 rs2 rs1 110 rd 0110011
  sh3add.uw  0010000 rs2 rs1 110 rd 0111011
  slli.uw    000010 shamt6 rs1 001 rd 0011011`,
);

/** Basic bit manipulation. */
export const zbb = instructions(
  "Zbb",
  "integer",
  "bitmanip",
  `
  andn    0100000 rs2 rs1 111 rd 0110011
  orn     0100000 rs2 rs1 110 rd 0110011
  xnor    0100000 rs2 rs1 100 rd 0110011
  clz     011000000000 rs1 001 rd 0010011
  clzw    011000000000 rs1 001 rd 0011011
  ctz     011000000001 rs1 001 rd 0010011
  ctzw    011000000001 rs1 001 rd 0011011
  cpop    011000000010 rs1 001 rd 0010011
  cpopw   011000000010 rs1 001 rd 0011011
  sext.b  011000000100 rs1 001 rd 0010011
  sext.h  011000000101 rs1 001 rd 0010011
  zext.h  000010000000 rs1 100 rd 0111011
  max     0000101 rs2 rs1 110 rd 0110011
  maxu    0000101 rs2 rs1 111 rd 0110011
  min     0000101 rs2 rs1 100 rd 0110011
  minu    0000101 rs2 rs1 101 rd 0110011
  rol     0110000 rs2 rs1 001 rd 0110011
  rolw    0110000 rs2 rs1 001 rd 0111011
  ror     0110000 rs2 rs1 101 rd 0110011
  rorw    0110000 rs2 rs1 101 rd 0111011
  rori    011000 shamt6 rs1 101 rd 0010011
  roriw   0110000 shamt5 rs1 101 rd 0011011
  orc.b   001010000111 rs1 101 rd 0010011
  rev8    011010111000 rs1 101 rd 0010011`,
);

/** Carry-less multiplication. */
export const zbc = instructions(
  "Zbc",
  "integer",
  "bitmanip",
  `
  clmul   0000101 rs2 rs1 001 rd 0110011
  clmulr  0000101 rs2 rs1 010 rd 0110011
  clmulh  0000101 rs2 rs1 011 rd 0110011`,
);

/** Bit manipulation for cryptography: what Zbb does not have already. ZEXT.H is PACKW with rs2 = x0. */
export const zbkb = instructions(
  "Zbkb",
  "integer",
  "bitmanip",
  `
  pack   0000100 rs2 rs1 100 rd 0110011
  packh  0000100 rs2 rs1 111 rd 0110011
  packw  0000100 rs2 rs1 100 rd 0111011
  brev8  011010000111 rs1 101 rd 0010011`,
);

/** Crossbar permutations. */
export const zbkx = instructions(
  "Zbkx",
  "integer",
  "bitmanip",
  `
  xperm4  0010100 rs2 rs1 010 rd 0110011
  xperm8  0010100 rs2 rs1 100 rd 0110011`,
);

/** Single-bit instructions. */
export const zbs = instructions(
  "Zbs",
  "integer",
  "bitmanip",
  `
  bclr   0100100 rs2 rs1 001 rd 0110011
  bclri  010010 shamt6 rs1 001 rd 0010011
  bext   0100100 rs2 rs1 101 rd 0110011
  bexti  010010 shamt6 rs1 101 rd 0010011
  binv   0110100 rs2 rs1 001 rd 0110011
  binvi  011010 shamt6 rs1 001 rd 0010011
  bset   0010100 rs2 rs1 001 rd 0110011
  bseti  001010 shamt6 rs1 001 rd 0010011`,
);

/** Conditional zero. */
export const zicond = instructions(
  "Zicond",
  "integer",
  "bitmanip",
  `
  czero.eqz  0000111 rs2 rs1 101 rd 0110011
  czero.nez  0000111 rs2 rs1 111 rd 0110011`,
);
