/**
 * Pseudo-instructions that are one instruction of the table: Unprivileged ISA, "RISC-V Assembly Programmer's Handbook".
 * Lower-case letters that stand alone are operands.
 */
const ROWS = `
  nop             addi zero, zero, 0
  mv a b          addi a, b, 0
  not a b         xori a, b, -1
  neg a b         sub a, zero, b
  negw a b        subw a, zero, b
  sext.w a b      addiw a, b, 0
  zext.b a b      andi a, b, 255
  zext.w a b      add.uw a, b, zero
  seqz a b        sltiu a, b, 1
  snez a b        sltu a, zero, b
  sltz a b        slt a, b, zero
  sgtz a b        slt a, zero, b
  beqz a b        beq a, zero, b
  bnez a b        bne a, zero, b
  blez a b        bge zero, a, b
  bgez a b        bge a, zero, b
  bltz a b        blt a, zero, b
  bgtz a b        blt zero, a, b
  bgt a b c       blt b, a, c
  ble a b c       bge b, a, c
  bgtu a b c      bltu b, a, c
  bleu a b c      bgeu b, a, c
  j a             jal zero, a
  jal a           jal ra, a
  jr a            jalr zero, 0(a)
  jalr a          jalr ra, 0(a)
  ret             jalr zero, 0(ra)
  fence           fence iorw, iorw
  sfence.vma      sfence.vma zero, zero
  sfence.vma a    sfence.vma a, zero
  unimp           csrrw zero, cycle, zero
  csrr a b        csrrs a, b, zero
  csrw a b        csrrw zero, a, b
  csrs a b        csrrs zero, a, b
  csrc a b        csrrc zero, a, b
  csrwi a b       csrrwi zero, a, b
  csrsi a b       csrrsi zero, a, b
  csrci a b       csrrci zero, a, b
  rdcycle a       csrrs a, cycle, zero
  rdtime a        csrrs a, time, zero
  rdinstret a     csrrs a, instret, zero
  frcsr a         csrrs a, fcsr, zero
  fscsr a         csrrw zero, fcsr, a
  fscsr a b       csrrw a, fcsr, b
  frrm a          csrrs a, frm, zero
  fsrm a          csrrw zero, frm, a
  fsrm a b        csrrw a, frm, b
  fsrmi a         csrrwi zero, frm, a
  frflags a       csrrs a, fflags, zero
  fsflags a       csrrw zero, fflags, a
  fsflags a b     csrrw a, fflags, b
  fsflagsi a      csrrwi zero, fflags, a
  fmv.s a b       fsgnj.s a, b, b
  fabs.s a b      fsgnjx.s a, b, b
  fneg.s a b      fsgnjn.s a, b, b
  fmv.d a b       fsgnj.d a, b, b
  fabs.d a b      fsgnjx.d a, b, b
  fneg.d a b      fsgnjn.d a, b, b
  c.nop           c.addi zero, 0`;

interface Pseudo {
  readonly parameters: readonly string[];
  readonly mnemonic: string;
  readonly operands: readonly string[];
}

const pseudos: ReadonlyMap<string, Pseudo> = new Map(
  ROWS.trim()
    .split("\n")
    .map((row) => {
      const [head, expansion] = row.trim().split(/ {2,}/) as [string, string];
      const [name, ...parameters] = head.split(" ");
      const [mnemonic, ...rest] = expansion.split(" ");
      const operands = rest.join("").split(",");
      return [`${name}/${parameters.length}`, { parameters, mnemonic: mnemonic!, operands }];
    }),
);

/** The instruction that a pseudo-instruction with these operands stands for; undefined when it is none. */
export function expandPseudo(
  mnemonic: string,
  operands: readonly string[],
): { readonly mnemonic: string; readonly operands: readonly string[] } | undefined {
  const pseudo = pseudos.get(`${mnemonic}/${operands.length}`);
  if (!pseudo) return undefined;
  const given = (text: string) =>
    text.replace(/\b[abc]\b/, (letter) => operands[pseudo.parameters.indexOf(letter)] ?? letter);
  return { mnemonic: pseudo.mnemonic, operands: pseudo.operands.map(given) };
}

/** One instruction of the sequence that `li` becomes: `rd` and the register it works on are the same, unless lui or the first addi. */
export interface ConstantStep {
  readonly mnemonic: "lui" | "addi" | "addiw" | "slli";
  readonly immediate: bigint;
}

/**
 * The instructions that build a 64-bit constant in one register: lui and addiw for 32 bits, else the upper part first,
 * shifted, with the low 12 bits added.
 */
export function constantSteps(value: bigint): ConstantStep[] {
  const signed = BigInt.asIntN(64, value);
  const low = BigInt.asIntN(12, signed);
  if (signed === low) return [{ mnemonic: "addi", immediate: low }];
  if (signed === BigInt.asIntN(32, signed)) {
    const upper: ConstantStep = { mnemonic: "lui", immediate: BigInt.asIntN(32, signed - low) };
    return low === 0n ? [upper] : [upper, { mnemonic: "addiw", immediate: low }];
  }
  let rest = BigInt.asIntN(64, signed - low) >> 12n;
  let shift = 12n;
  while ((rest & 1n) === 0n) {
    rest >>= 1n;
    shift++;
  }
  const steps: ConstantStep[] = [...constantSteps(rest), { mnemonic: "slli", immediate: shift }];
  return low === 0n ? steps : [...steps, { mnemonic: "addi", immediate: low }];
}
