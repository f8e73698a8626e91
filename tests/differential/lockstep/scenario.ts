import { assemble } from "../../../assembly/isa/assemble.js";
import { Random } from "../random.js";
import * as flow from "./flow-items.js";
import { MIXES } from "./instructions.js";
import { CODE_PAGES, PAGE } from "./layout.js";
import { type Item, Maker } from "./maker.js";
import { fixed, type Node, textOf } from "./node.js";
import { makeSetting, type Setting } from "./setting.js";
import * as system from "./system-items.js";
import * as word from "./word-items.js";

/** A program that is run in two ways at once, and what happens around it. */
export interface Scenario {
  readonly seed: number;
  readonly setting: Setting;
  /** Of the first instruction, from the beginning of the code. */
  readonly start: number;
  readonly code: Node;
  /** The two pages that the twin may be. */
  readonly twins: readonly [Node, Node];
  readonly slices: readonly Slice[];
}

/** Instructions to execute, and what the host does afterwards. */
export interface Slice {
  readonly budget: number;
  readonly afterwards: HostAction | undefined;
}

export type HostAction = "flushTlb" | "saveAndLoad" | "softwareInterrupt" | "externalInterrupt" | "writeCode";

/** A scenario's code as bytes. */
export interface Assembled {
  readonly code: Uint8Array;
  readonly twins: readonly [Uint8Array, Uint8Array];
  readonly symbols: ReadonlyMap<string, bigint>;
}

/** @throws RangeError when a branch does not reach or there is too much code */
export function assembleScenario({ setting, start, code, twins }: Scenario): Assembled {
  const { at } = setting;
  const program = assemble(`.equ twin, ${at.twin}\n${textOf(code)}`, at.code + BigInt(start));
  if (start + program.bytes.length > CODE_PAGES * PAGE) throw new RangeError("too much code");
  const [first, second] = twins.map((twin) => assemble(textOf(twin), at.twin).bytes) as [Uint8Array, Uint8Array];
  return { code: program.bytes, twins: [first, second], symbols: program.symbols };
}

/** The scenario that `seed` names. */
export function makeScenario(seed: number): Scenario {
  const random = new Random(seed);
  const setting = makeSetting(random);
  const maker = new Maker(random, setting, random.pick(MIXES), itemsOf(random));
  const twins = [makeTwin(maker), makeTwin(maker)] as const;
  return { seed, setting, start: 2 * random.below(PAGE), code: makeCode(maker), twins, slices: makeSlices(maker) };
}

function makeTwin(maker: Maker): Node {
  const parts = [...maker.straight(6), ...[flow.loop(maker, 1, () => maker.straight(4))].filter(isNode)];
  return fixed("", parts, maker.setting.isTwinUsers ? "ecall; ret" : "ret");
}

/** Functions, then one endless loop for each hart that calls them. */
function makeCode(maker: Maker): Node {
  const { random, setting } = maker;
  const parts: Node[] = [];
  const add = (name: string, list: string[], node: Node) => {
    parts.push(node);
    list.push(name);
  };
  if (random.chance(50)) add("r0", maker.recursions, flow.recursiveFunction(maker, "r0"));
  for (let n = random.between(0, 3); n > 0; n--) {
    const name = `f${n}`;
    const node = random.chance(30)
      ? flow.leafFunction(maker, name)
      : flow.functionNode(maker, name, (level) => body(maker, level));
    add(name, maker.functions, node);
  }
  const harts = Array.from({ length: setting.hartCount }, (_, n) => n);
  for (const hart of harts) {
    const main = `main${hart}`;
    const calls = Array.from({ length: 2 }, () => flow.call(maker)).filter(isNode);
    parts.push(fixed(`${main}:`, [...body(maker, 0), ...calls], `j ${main}`));
  }
  return fixed("", parts, "");
}

const DEEPEST = 3;

function body(maker: Maker, level: number): Node[] {
  const { random } = maker;
  const most = level === 0 ? 8 : level === 1 ? 4 : 3;
  const nodes: Node[] = [];
  for (let n = random.between(1, most); n > 0; n--) nodes.push(...item(maker, level));
  return nodes;
}

/** Items that stand for themselves, by what they are about. */
const GROUPS: Readonly<Record<string, readonly (readonly [weight: number, Item])[]>> = {
  calls: [
    [8, flow.call],
    [3, flow.indirectCall],
    [2, flow.recursion],
    [2, flow.mark],
    [1, flow.longJump],
  ],
  odd: [
    [3, flow.intoTheMiddle],
    [4, system.trap],
  ],
  memory: [
    [6, system.movePointer],
    [4, system.crossPages],
    [4, system.reservationLoop],
    [2, system.cache],
    [3, system.lendPrivilege],
  ],
  words: [
    [6, word.words],
    [3, word.nearby],
  ],
  code: [
    [6, system.slot],
    [6, system.overwrite],
    [3, system.overwriteNext],
    [1, system.overwriteByDevice],
  ],
  spaces: [
    [6, system.callTwin],
    [6, system.remap],
    [3, system.switchSpace],
    [3, system.revoke],
    [2, system.movePointer],
    [2, system.dropPrivilege],
  ],
  machine: [
    [4, system.floatStatus],
    [4, system.counter],
    [7, system.status],
    [4, system.interrupt],
    [2, system.wait],
    [3, system.dropPrivilege],
    [3, system.deviceAccess],
  ],
};

/** What a program has much of: two of the groups, so that they meet. */
function itemsOf(random: Random): readonly (readonly [weight: number, Item])[] {
  const names = Object.keys(GROUPS);
  const themes = [random.pick(names), random.pick(names)];
  return names.flatMap((name) =>
    GROUPS[name]!.map(([weight, make]) => [themes.includes(name) ? 8 * weight : weight, make] as const),
  );
}

const NESTED: readonly (readonly [
  weight: number,
  (maker: Maker, level: number, body: (level: number) => Node[]) => Node | undefined,
])[] = [
  [14, flow.choice],
  [14, flow.loop],
  [5, flow.irreducible],
  [4, flow.jumpTable],
  [5, flow.oddCall],
];

function item(maker: Maker, level: number): Node[] {
  const { random } = maker;
  const roll = random.below(100);
  if (roll < 20) return maker.straight(6);
  if (roll < 30) return [word.words(maker)];
  if (roll < 36) return [word.nearby(maker)];
  const inner = (deeper: number) => (deeper >= DEEPEST ? maker.straight(4) : body(maker, deeper));
  const node = roll < 60 ? random.weighted(NESTED)(maker, level, inner) : random.weighted(maker.items)(maker, level);
  return node ? [node] : maker.straight(3);
}

function isNode(node: Node | undefined): node is Node {
  return node !== undefined;
}

/** At first short ones, after each of which what is hot by then is translated. */
function makeSlices({ random, setting }: Maker): Slice[] {
  const slices: Slice[] = [];
  const total = setting.hartCount > 1 ? random.between(25_000, 45_000) : random.between(1500, 6000);
  let left = total;
  while (left > 0) {
    const budget = random.weighted<() => number>([
      [1, () => random.between(1, 20)],
      [3, () => random.between(20, 400)],
      [3, () => random.between(400, Math.max(400, total >> 2))],
    ])();
    const afterwards = random.chance(20)
      ? random.pick<HostAction>(["flushTlb", "saveAndLoad", "softwareInterrupt", "externalInterrupt", "writeCode"])
      : undefined;
    slices.push({ budget: Math.min(budget, left), afterwards });
    left -= budget;
  }
  return slices;
}
