import { anyInstruction, COUNTERS, free, LINK, RA, RECURSION, STACK } from "./instructions.js";
import { MARKED_PLACE, MARKED_STACK } from "./layout.js";
import type { Maker } from "./maker.js";
import { around, fixed, leaf, type Node } from "./node.js";

/** Control flow of all shapes. `body` makes what goes inside, one level deeper. */

type Body = (level: number) => Node[];

/** Jumps or branches to `label` if a random condition holds. */
export function conditional({ random }: Maker, label: string): string {
  const a = random.chance(80) ? free(random) : 0;
  const b = random.chance(60) ? free(random) : 0;
  if (random.chance(15)) return `c.${random.pick(["beqz", "bnez"])} x${random.between(10, 14)}, ${label}`;
  return `${random.pick(["beq", "bne", "blt", "bge", "bltu", "bgeu"])} x${a}, x${b}, ${label}`;
}

export function choice(maker: Maker, level: number, body: Body): Node {
  const [other, end] = [maker.label(), maker.label()];
  const condition = conditional(maker, other);
  if (condition.startsWith("c.")) {
    // It does not reach far.
    return around(condition, maker.straight(4), `${other}:`);
  }
  if (maker.random.chance(40)) return around(condition, body(level + 1), `${other}:`);
  return around(condition, [...body(level + 1), fixed(`j ${end}; ${other}:`, body(level + 1), "")], `${end}:`);
}

export function loop(maker: Maker, level: number, body: Body): Node | undefined {
  const { random } = maker;
  const counter = COUNTERS[level];
  if (counter === undefined) return undefined;
  const top = maker.label();
  const end = maker.label();
  const turns = random.chance(10) && level === 0 ? random.between(65, 90) : random.between(1, 7);
  const set = `li x${counter}, ${turns}; ${top}:`;
  const inside = body(level + 1);
  switch (random.below(4)) {
    case 0: // tested at its top
      return around(`${set} beqz x${counter}, ${end}; addi x${counter}, x${counter}, -1`, inside, `j ${top}; ${end}:`);
    case 1: // left in the middle
      return around(
        set,
        [
          ...inside,
          fixed(`addi x${counter}, x${counter}, -1; blez x${counter}, ${end}`, body(level + 1), ""),
          leaf(conditional(maker, end).replace(/^c\..*/, "nop")),
        ],
        `j ${top}; ${end}:`,
      );
    case 2: // gone on with in the middle
      return around(
        set,
        [
          leaf(`addi x${counter}, x${counter}, -1; beqz x${counter}, ${end}`),
          leaf(conditional(maker, top).replace(/^c\..*/, "nop")),
          ...inside,
        ],
        `bgtz x${counter}, ${top}; ${end}:`,
      );
    default:
      return around(set, inside, `addi x${counter}, x${counter}, -1; bnez x${counter}, ${top}`);
  }
}

/** A loop with two entries. */
export function irreducible(maker: Maker, level: number, body: Body): Node | undefined {
  const counter = COUNTERS[level];
  if (counter === undefined) return undefined;
  const [first, second, third] = [maker.label(), maker.label(), maker.label()];
  const enter = conditional(maker, second).replace(/^c\..*/, "nop");
  const again = conditional(maker, first).replace(/^c\..*/, "nop");
  return around(
    `li x${counter}, ${maker.random.between(2, 6)}; ${enter}; ${first}:`,
    [
      ...body(level + 1),
      fixed(`${second}:`, body(level + 1), `addi x${counter}, x${counter}, -1; blez x${counter}, ${third}; ${again}`),
    ],
    `j ${second}; ${third}:`,
  );
}

/** Through a table of jumps, or of distances. */
export function jumpTable(maker: Maker, level: number, body: Body): Node {
  const { random } = maker;
  const [table, end] = [maker.label(), maker.label()];
  const cases = Array.from({ length: 4 }, () => maker.label());
  const index = free(random);
  const parts = cases.map((label) => fixed(`${label}:`, body(level + 1), `j ${end}`));
  const select = `andi x6, x${index}, 3; slli x6, x6, 2; la x7, ${table}; add x6, x6, x7`;
  if (random.chance(50)) {
    const jumps = cases.map((label) => `j ${label}`).join("; ");
    return around(
      `${select}; ${random.pick(["jr x6", "c.jr x6", "jalr x0, 0(x6)"])}; ${table}: ${jumps}`,
      parts,
      `${end}:`,
    );
  }
  const distances = cases.map((label) => `.word ${label}-${table}`).join("; ");
  return around(`${select}; lw x6, 0(x6); add x6, x6, x7; jr x6; ${table}: ${distances}`, parts, `${end}:`);
}

/** Into the upper half of an LUI, which is a compressed instruction. */
export function intoTheMiddle(maker: Maker): Node {
  const { random } = maker;
  const label = maker.label();
  const upper = harmlessHalfword(maker);
  const word = (upper << 16) | (random.bits(4) << 12) | (free(random) << 7) | 0x37;
  const way = random.chance(50) ? `j ${label}+2` : conditional(maker, `${label}+2`).replace(/^c\..*/, "nop");
  return around(way, maker.straight(2), `${label}: .word ${word >>> 0}`);
}

/** A compressed instruction that only computes. */
export function harmlessHalfword({ random }: Maker): number {
  for (;;) {
    const text = anyInstruction(random, [[1, "compressed"]]);
    const bits = Number(text.slice(".half ".length));
    const quadrant = bits & 3;
    const funct = bits >> 13;
    if (quadrant === 1 || (quadrant === 2 && (funct === 0 || funct === 4))) return bits;
  }
}

/** Four bytes that only compute. */
export function harmlessWord(maker: Maker): number {
  const { random } = maker;
  if (random.chance(40)) return ((harmlessHalfword(maker) << 16) | harmlessHalfword(maker)) >>> 0;
  for (;;) {
    const bits = /^\.word (.*)$/.exec(
      anyInstruction(random, [
        [8, "integer"],
        [1, "relative"],
        [1, "float"],
      ]),
    );
    if (bits) return Number(bits[1]) >>> 0;
  }
}

// ---- calls ----

export function call(maker: Maker): Node | undefined {
  const { random, setting } = maker;
  if (maker.functions.length === 0) return undefined;
  const target = random.pick(maker.functions);
  const delta = setting.at.alias - setting.at.code;
  return leaf(
    random.weighted([
      [6, `jal x1, ${target}`],
      [2, `call ${target}`],
      [2, `la x6, ${target}; jalr x1, 0(x6)`],
      [1, `la x6, ${target}; c.jalr x6`],
      [1, `la x1, ${target}; jalr x1, 0(x1)`],
      // At another address, where there is one.
      [1, `la x6, ${target}; li x7, ${delta}; add x6, x6, x7; jalr x1, 1(x6)`],
    ]),
  );
}

export function indirectCall(maker: Maker): Node | undefined {
  const { random, functions } = maker;
  if (functions.length < 2) return undefined;
  const [table, end] = [maker.label(), maker.label()];
  const targets = Array.from({ length: 4 }, () => `.word ${random.pick(functions)}-${table}`).join("; ");
  return leaf(
    `andi x6, x${free(random)}, 3; slli x6, x6, 2; la x7, ${table}; add x6, x6, x7; lw x6, 0(x6); add x6, x6, x7;` +
      `jalr x1, 0(x6); j ${end}; ${table}: ${targets}; ${end}:`,
  );
}

export function recursion(maker: Maker): Node | undefined {
  const { random, recursions } = maker;
  if (recursions.length === 0) return undefined;
  const depth = random.chance(25) ? random.between(190, 260) : random.between(0, 12);
  return leaf(`li x${RECURSION}, ${depth}; jal x1, ${random.pick(recursions)}`);
}

/** Calls and returns as no compiler makes them. */
export function oddCall(maker: Maker, level: number, body: Body): Node {
  const { random } = maker;
  const [callee, end] = [maker.label(), maker.label()];
  const skipped = anyInstruction(random, [[1, "integer"]]);
  switch (random.below(5)) {
    case 0: // returns behind the instruction after the call
      return around(
        `jal x1, ${callee}; ${skipped}; j ${end}; ${callee}:`,
        maker.straight(3),
        `addi x1, x1, 4; ret; ${end}:`,
      );
    case 1: // the alternate link register
      return around(`jal x5, ${callee}; c.j ${end}; ${callee}:`, maker.straight(3), `jr x5; ${end}:`);
    case 2: // no link register at all
      return around(
        `jal x10, ${callee}; j ${end}; ${callee}: mv x6, x10`,
        maker.straight(2),
        `la x6, ${end}; jr x6; ${end}:`,
      );
    case 3: // coroutines: both link registers in one jump
      return around(
        `la x${RA}, ${callee}; jalr x${LINK}, 0(x${RA}); ${skipped}; j ${end}; ${callee}:`,
        maker.straight(3),
        `jalr x${RA}, 0(x${LINK}); ${end}:`,
      );
    default: // a return to a place that nobody called from
      return around(`la x1, ${end}; j ${callee}; ${callee}:`, body(level + 1), `la x1, ${end}; ret; ${end}:`);
  }
}

/** Marks a place to which `longJump` goes from anywhere. */
export function mark(maker: Maker): Node {
  const place = maker.label();
  return leaf(`sd x${STACK}, ${MARKED_STACK}(x4); la x6, ${place}; sd x6, ${MARKED_PLACE}(x4); ${place}:`);
}

export function longJump(maker: Maker): Node {
  const { random } = maker;
  const not = maker.label();
  return leaf(
    `andi x6, x${free(random)}, 15; bnez x6, ${not}; ld x${STACK}, ${MARKED_STACK}(x4); ld x6, ${MARKED_PLACE}(x4); jr x6; ${not}:`,
  );
}

// ---- functions ----

const SAVED = [RA, ...COUNTERS];

export function functionNode(maker: Maker, name: string, body: Body): Node {
  const { random } = maker;
  const enter = `${entry(maker, name)} addi x${STACK}, x${STACK}, -32; ${SAVED.map((r, n) => `sd x${r}, ${8 * n}(x${STACK})`).join("; ")}`;
  const leave = `${SAVED.map((r, n) => `ld x${r}, ${8 * n}(x${STACK})`).join("; ")}; addi x${STACK}, x${STACK}, 32`;
  const end =
    maker.functions.length > 0 && random.chance(15)
      ? random.pick(["j TARGET", "la x6, TARGET; jr x6", "tail TARGET"]).replace("TARGET", random.pick(maker.functions))
      : random.pick(["ret", "c.jr x1", "jalr x0, 0(x1)"]);
  return fixed(enter, body(0), `${leave}; ${end}`);
}

/** The name of a function, of which the first instruction may be overwritten at times. */
function entry(maker: Maker, name: string): string {
  if (maker.random.chance(60)) return `${name}:`;
  maker.slots.push(name);
  return `${name}: .word ${harmlessWord(maker)};`;
}

/** Calls nothing, saves nothing. */
export function leafFunction(maker: Maker, name: string): Node {
  return fixed(entry(maker, name), maker.straight(8), maker.random.pick(["ret", "c.jr x1"]));
}

export function recursiveFunction(maker: Maker, name: string): Node {
  const end = maker.label();
  const self = maker.random.pick([`jal x1, ${name}`, `la x6, ${name}; jalr x1, 0(x6)`]);
  return fixed(
    `${name}: beqz x${RECURSION}, ${end}; addi x${STACK}, x${STACK}, -16; sd x1, 0(x${STACK}); addi x${RECURSION}, x${RECURSION}, -1`,
    [...maker.straight(2), fixed(self, maker.straight(2), "")],
    `ld x1, 0(x${STACK}); addi x${STACK}, x${STACK}, 16; ${end}: ret`,
  );
}
