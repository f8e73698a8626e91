import { call } from "./flow-items.js";
import { POINTERS } from "./instructions.js";
import { PAGE } from "./layout.js";
import type { Maker } from "./maker.js";
import { around, leaf, type Node } from "./node.js";

/**
 * What compiled 32-bit code and compiled accesses to structures and stack frames look like. All of it works on the same
 * few registers, so that what one item left in its low half, another wants in full, or branches on, or stores.
 */
const WORDS: readonly number[] = [10, 11, 12, 13, 14];

const REGISTERS_32 = "addw subw mulw sllw srlw sraw rolw rorw divw remuw".split(" ");
const SHIFTS_32 = "slliw srliw sraiw roriw".split(" ");
const BITWISE = "and or xor andn orn xnor min maxu".split(" ");
const IMMEDIATES = "andi ori xori slti sltiu addi addiw".split(" ");
const REGISTERS_64 = "add add sub sub mul sll srl sra sltu sltu slt add.uw sh2add czero.eqz".split(" ");
const SHIFTS_64 = "slli srli srai rori".split(" ");
const UNARY = "sext.w sext.h sext.b zext.h mv not clzw".split(" ");
const LOADS = "lb lh lw ld lbu lhu lwu".split(" ");
const STORES = "sb sh sw sd".split(" ");
const BRANCHES = "beq bne blt bge bltu bgeu".split(" ");

function word({ random }: Maker): string {
  return `x${random.chance(5) ? 0 : random.pick(WORDS)}`;
}

function destination({ random }: Maker): string {
  return `x${random.pick(WORDS)}`;
}

/** An instruction on words; most of them take 32-bit values to such. */
function computation(maker: Maker): string {
  const { random } = maker;
  const [rd, a, b] = [destination(maker), word(maker), word(maker)];
  return random.weighted<() => string>([
    [8, () => `${random.pick(REGISTERS_32)} ${rd}, ${a}, ${b}`],
    [6, () => `${random.pick(SHIFTS_32)} ${rd}, ${a}, ${random.chance(30) ? random.pick([0, 31]) : random.below(32)}`],
    [8, () => `${random.pick(BITWISE)} ${rd}, ${a}, ${b}`],
    [5, () => `${random.pick(IMMEDIATES)} ${rd}, ${a}, ${random.between(-2048, 2047)}`],
    [7, () => `${random.pick(REGISTERS_64)} ${rd}, ${a}, ${b}`],
    [
      3,
      () =>
        `${random.pick(SHIFTS_64)} ${rd}, ${a}, ${random.chance(50) ? random.pick([0, 31, 32, 33]) : random.below(64)}`,
    ],
    [3, () => `${random.pick(UNARY)} ${rd}, ${a}`],
    [1, () => `li ${rd}, ${random.pick([0, 1, -1, 255, 0x7fff_ffff, -0x8000_0000, 0x8000_0000])}`],
    [2, () => rotation(maker)],
  ])();
}

/** As compilers write it without an instruction for it. */
function rotation(maker: Maker): string {
  const { random } = maker;
  const [rd, a] = [destination(maker), word(maker)];
  const count = random.between(1, 31);
  const [left, right] = random.chance(85) ? ["slliw", "srliw"] : ["slli", "srli"];
  return `${left} x6, ${a}, ${count}; ${right} x7, ${a}, ${32 - count}; ${random.pick(["or", "xor", "addw"])} ${rd}, x6, x7`;
}

function access(maker: Maker, pointer: number, offset: number): string {
  return maker.random.chance(55)
    ? `${maker.random.pick(LOADS)} ${destination(maker)}, ${offset}(x${pointer})`
    : `${maker.random.pick(STORES)} ${word(maker)}, ${offset}(x${pointer})`;
}

/** Computes with words, and now and then branches on one, loads or stores one, or calls a function that does the same. */
export function words(maker: Maker): Node {
  const { random } = maker;
  const known = WORDS.filter(() => random.chance(40)).map((r) => leaf(knownWord(maker, r)));
  const parts = Array.from({ length: random.between(3, 14) }, () => {
    if (random.chance(10)) return leaf(access(maker, random.pick(POINTERS), 4 * random.between(-64, 64)));
    // What was known of registers is not known behind a call.
    if (random.chance(6)) return call(maker) ?? leaf(computation(maker));
    if (random.chance(85)) return leaf(computation(maker));
    const label = maker.label();
    const condition = `${random.pick(BRANCHES)} ${word(maker)}, ${word(maker)}, ${label}`;
    return around(condition, [leaf(computation(maker)), leaf(computation(maker))], `${label}:`);
  });
  return around("", [...known, ...parts], "");
}

/** Makes a register one of which everybody can tell that it holds 32 bits, mostly large ones. */
function knownWord(maker: Maker, register: number): string {
  const { random } = maker;
  const value = random.pick([1, -1, 0x7fff_ffff, 0x7fff_fff0, -0x8000_0000, -0x7fff_ff00, 0x1234_5678, -0x1234_5678]);
  return random.weighted<() => string>([
    [3, () => `li x${register}, ${value}`],
    [2, () => `addw x${register}, x${register}, ${word(maker)}`],
    [1, () => `sext.w x${register}, ${word(maker)}`],
    [
      1,
      () => `${random.pick(["lw", "lh", "lbu"])} x${register}, ${4 * random.between(-8, 8)}(x${random.pick(POINTERS)})`,
    ],
  ])();
}

/** Many accesses off one or two pointers, all in one block: in a page, across the end of one, or too far apart. */
export function nearby(maker: Maker): Node {
  const { random } = maker;
  const begin = maker.label();
  const atPageEnd = random.chance(35);
  const bases = atPageEnd ? [28, random.pick(POINTERS)] : [random.pick(POINTERS), random.pick(POINTERS)];
  const set = `li x6, ${PAGE}; add x28, x2, x6; srli x28, x28, 12; slli x28, x28, 12`;
  const [first, reach] = random.pick([
    [0, 64],
    [-32, 32],
    [-64, -8],
    [-1000, 1000],
  ] as const);
  const parts = Array.from({ length: random.between(5, 12) }, () => {
    if (random.chance(25)) return leaf(computation(maker));
    const offset = random.between(first, reach) & (random.chance(80) ? ~7 : ~0);
    const base = random.chance(75) ? bases[0]! : bases[1]!;
    if (random.chance(85)) return leaf(access(maker, base, offset));
    // By way of another register.
    return leaf(`addi x7, x${base}, ${random.between(-16, 16)}; ${access(maker, 7, offset)}`);
  });
  return around(atPageEnd ? `${set}; j ${begin}; ${begin}:` : `j ${begin}; ${begin}:`, parts, "");
}
