import { instructions } from "./instruction.js";

/** Atomic instructions. aq and rl order nothing here: harts take turns on one thread. */
export const rv64a = [...atomics("w", "010"), ...atomics("d", "011")];

function atomics(width: string, funct3: string) {
  return instructions(
    "A",
    "atomic",
    "atomic",
    `
    lr.${width}       00010 aq rl 00000 rs1 ${funct3} rd 0101111
    sc.${width}       00011 aq rl rs2 rs1 ${funct3} rd 0101111
    amoswap.${width}  00001 aq rl rs2 rs1 ${funct3} rd 0101111
    amoadd.${width}   00000 aq rl rs2 rs1 ${funct3} rd 0101111
    amoxor.${width}   00100 aq rl rs2 rs1 ${funct3} rd 0101111
    amoand.${width}   01100 aq rl rs2 rs1 ${funct3} rd 0101111
    amoor.${width}    01000 aq rl rs2 rs1 ${funct3} rd 0101111
    amomin.${width}   10000 aq rl rs2 rs1 ${funct3} rd 0101111
    amomax.${width}   10100 aq rl rs2 rs1 ${funct3} rd 0101111
    amominu.${width}  11000 aq rl rs2 rs1 ${funct3} rd 0101111
    amomaxu.${width}  11100 aq rl rs2 rs1 ${funct3} rd 0101111`,
  );
}
