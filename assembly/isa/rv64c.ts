import { compressedInstructions } from "./instruction.js";

/**
 * Compressed instructions, each with the 32-bit instruction it stands for. x1 = ra, x2 = sp.
 * Where two rows match, the one with more fixed bits or constraints wins; `!0` excludes a register number.
 */
export const rv64c = compressedInstructions(`
  c.addi4spn  000 nzuimm[5:4|9:6|2|3] rd' 00          => addi rd', x2, imm
  c.fld       001 uimm[5:3] rs1' uimm[7:6] fd' 00     => fld fd', imm(rs1')
  c.lw        010 uimm[5:3] rs1' uimm[2|6] rd' 00     => lw rd', imm(rs1')
  c.ld        011 uimm[5:3] rs1' uimm[7:6] rd' 00     => ld rd', imm(rs1')
  c.fsd       101 uimm[5:3] rs1' uimm[7:6] fs2' 00    => fsd fs2', imm(rs1')
  c.sw        110 uimm[5:3] rs1' uimm[2|6] rs2' 00    => sw rs2', imm(rs1')
  c.sd        111 uimm[5:3] rs1' uimm[7:6] rs2' 00    => sd rs2', imm(rs1')
  c.addi      000 imm[5] rd imm[4:0] 01               => addi rd, rd, imm
  c.addiw     001 imm[5] rd!0 imm[4:0] 01             => addiw rd, rd, imm
  c.li        010 imm[5] rd imm[4:0] 01               => addi rd, x0, imm
  c.addi16sp  011 nzimm[9] 00010 nzimm[4|6|8:7|5] 01  => addi x2, x2, imm
  c.lui       011 nzimm[17] rd nzimm[16:12] 01        => lui rd, imm
  c.srli      100 uimm[5] 00 rd' uimm[4:0] 01         => srli rd', rd', imm
  c.srai      100 uimm[5] 01 rd' uimm[4:0] 01         => srai rd', rd', imm
  c.andi      100 imm[5] 10 rd' imm[4:0] 01           => andi rd', rd', imm
  c.sub       100 0 11 rd' 00 rs2' 01                 => sub rd', rd', rs2'
  c.xor       100 0 11 rd' 01 rs2' 01                 => xor rd', rd', rs2'
  c.or        100 0 11 rd' 10 rs2' 01                 => or rd', rd', rs2'
  c.and       100 0 11 rd' 11 rs2' 01                 => and rd', rd', rs2'
  c.subw      100 1 11 rd' 00 rs2' 01                 => subw rd', rd', rs2'
  c.addw      100 1 11 rd' 01 rs2' 01                 => addw rd', rd', rs2'
  c.j         101 imm[11|4|9:8|10|6|7|3:1|5] 01       => jal x0, imm
  c.beqz      110 imm[8|4:3] rs1' imm[7:6|2:1|5] 01   => beq rs1', x0, imm
  c.bnez      111 imm[8|4:3] rs1' imm[7:6|2:1|5] 01   => bne rs1', x0, imm
  c.slli      000 uimm[5] rd uimm[4:0] 10             => slli rd, rd, imm
  c.fldsp     001 uimm[5] fd uimm[4:3|8:6] 10         => fld fd, imm(x2)
  c.lwsp      010 uimm[5] rd!0 uimm[4:2|7:6] 10       => lw rd, imm(x2)
  c.ldsp      011 uimm[5] rd!0 uimm[4:3|8:6] 10       => ld rd, imm(x2)
  c.jr        100 0 rs1!0 00000 10                    => jalr x0, 0(rs1)
  c.mv        100 0 rd rs2!0 10                       => add rd, x0, rs2
  c.ebreak    100 1 00000 00000 10                    => ebreak
  c.jalr      100 1 rs1!0 00000 10                    => jalr x1, 0(rs1)
  c.add       100 1 rd rs2!0 10                       => add rd, rd, rs2
  c.fsdsp     101 uimm[5:3|8:6] fs2 10                => fsd fs2, imm(x2)
  c.swsp      110 uimm[5:2|7:6] rs2 10                => sw rs2, imm(x2)
  c.sdsp      111 uimm[5:3|8:6] rs2 10                => sd rs2, imm(x2)`);
