import { instructions } from "./instruction.js";

/** Single- and double-precision floating point. */
export const rv64f = [
  ...loadsAndStores("F", "w", "010"),
  ...arithmetic("F", "s", "00"),
  ...instructions(
    "F",
    "float",
    "float",
    `
    fmv.x.w   1110000 00000 fs1 000 rd 1010011
    fmv.w.x   1111000 00000 rs1 000 fd 1010011`,
  ),
];

export const rv64d = [
  ...loadsAndStores("D", "d", "011"),
  ...arithmetic("D", "d", "01"),
  ...instructions(
    "D",
    "float",
    "float",
    `
    fcvt.s.d  0100000 00001 fs1 rm fd 1010011
    fcvt.d.s  0100001 00000 fs1 rm fd 1010011
    fmv.x.d   1110001 00000 fs1 000 rd 1010011
    fmv.d.x   1111001 00000 rs1 000 fd 1010011`,
  ),
];

function loadsAndStores(extension: string, width: string, funct3: string) {
  return instructions(
    extension,
    "memory",
    "memory",
    `
    fl${width}  imm[11:0] rs1 ${funct3} fd 0000111
    fs${width}  imm[11:5] fs2 rs1 ${funct3} imm[4:0] 0100111`,
  );
}

/** @param format the two bits that follow rs3 or funct5 */
function arithmetic(extension: string, p: string, format: string) {
  return instructions(
    extension,
    "float",
    "float",
    `
    fmadd.${p}    fs3 ${format} fs2 fs1 rm fd 1000011
    fmsub.${p}    fs3 ${format} fs2 fs1 rm fd 1000111
    fnmsub.${p}   fs3 ${format} fs2 fs1 rm fd 1001011
    fnmadd.${p}   fs3 ${format} fs2 fs1 rm fd 1001111
    fadd.${p}     00000${format} fs2 fs1 rm fd 1010011
    fsub.${p}     00001${format} fs2 fs1 rm fd 1010011
    fmul.${p}     00010${format} fs2 fs1 rm fd 1010011
    fdiv.${p}     00011${format} fs2 fs1 rm fd 1010011
    fsqrt.${p}    01011${format} 00000 fs1 rm fd 1010011
    fsgnj.${p}    00100${format} fs2 fs1 000 fd 1010011
    fsgnjn.${p}   00100${format} fs2 fs1 001 fd 1010011
    fsgnjx.${p}   00100${format} fs2 fs1 010 fd 1010011
    fmin.${p}     00101${format} fs2 fs1 000 fd 1010011
    fmax.${p}     00101${format} fs2 fs1 001 fd 1010011
    feq.${p}      10100${format} fs2 fs1 010 rd 1010011
    flt.${p}      10100${format} fs2 fs1 001 rd 1010011
    fle.${p}      10100${format} fs2 fs1 000 rd 1010011
    fclass.${p}   11100${format} 00000 fs1 001 rd 1010011
    fcvt.w.${p}   11000${format} 00000 fs1 rm rd 1010011
    fcvt.wu.${p}  11000${format} 00001 fs1 rm rd 1010011
    fcvt.l.${p}   11000${format} 00010 fs1 rm rd 1010011
    fcvt.lu.${p}  11000${format} 00011 fs1 rm rd 1010011
    fcvt.${p}.w   11010${format} 00000 rs1 rm fd 1010011
    fcvt.${p}.wu  11010${format} 00001 rs1 rm fd 1010011
    fcvt.${p}.l   11010${format} 00010 rs1 rm fd 1010011
    fcvt.${p}.lu  11010${format} 00011 rs1 rm fd 1010011`,
  );
}
