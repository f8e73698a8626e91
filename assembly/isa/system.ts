import { instructions } from "./instruction.js";

/** Control and status register access. */
export const zicsr = instructions(
  "Zicsr",
  "system",
  "system",
  `
  csrrw   csr rs1 001 rd 1110011
  csrrs   csr rs1 010 rd 1110011
  csrrc   csr rs1 011 rd 1110011
  csrrwi  csr uimm5 101 rd 1110011
  csrrsi  csr uimm5 110 rd 1110011
  csrrci  csr uimm5 111 rd 1110011`,
);

export const zifencei = instructions(
  "Zifencei",
  "integer",
  "integer",
  `
  fence.i  imm[11:0] rs1 001 rd 0001111`,
);

/** A fence with no successor set and W as its predecessor set: a hint to let others run. */
export const zihintpause = instructions(
  "Zihintpause",
  "system",
  "system",
  `
  pause  0000 0001 0000 00000 000 00000 0001111`,
);

/** The privileged architecture's own instructions, with Svinval's finer fences. */
export const privileged = instructions(
  "Privileged",
  "system",
  "system",
  `
  sret             0001000 00010 00000 000 00000 1110011
  mret             0011000 00010 00000 000 00000 1110011
  wfi              0001000 00101 00000 000 00000 1110011
  sfence.vma       0001001 rs2 rs1 000 00000 1110011
  sinval.vma       0001011 rs2 rs1 000 00000 1110011
  sfence.w.inval   0001100 00000 00000 000 00000 1110011
  sfence.inval.ir  0001100 00001 00000 000 00000 1110011`,
);

/** Cache block operations: no cache is modelled, so they check rights and, for cbo.zero, write. */
export const zicbo = [
  ...instructions(
    "Zicbom",
    "plain",
    "cacheblock",
    `
    cbo.inval  0000000 00000 rs1 010 00000 0001111
    cbo.clean  0000000 00001 rs1 010 00000 0001111
    cbo.flush  0000000 00010 rs1 010 00000 0001111`,
  ),
  ...instructions(
    "Zicboz",
    "plain",
    "cacheblock",
    `
    cbo.zero   0000000 00100 rs1 010 00000 0001111`,
  ),
  // ORI rows with rd = x0: the decoder prefers the row with more fixed bits.
  ...instructions(
    "Zicbop",
    "integer",
    "cacheblock",
    `
    prefetch.i  imm[11:5] 00000 rs1 110 00000 0010011
    prefetch.r  imm[11:5] 00001 rs1 110 00000 0010011
    prefetch.w  imm[11:5] 00011 rs1 110 00000 0010011`,
  ),
];
