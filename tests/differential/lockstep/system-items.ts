import { MACHINE, SUPERVISOR, USER } from "../setting.js";
import { harmlessWord } from "./flow-items.js";
import { anyInstruction, free, freeRegisters, POINTERS } from "./instructions.js";
import {
  DATA_PAGES,
  DEVICE_INTERRUPT,
  DEVICE_NUMBER,
  DEVICE_PLACE,
  DEVICE_STOP,
  DEVICE_WORD,
  LEAF_CODE,
  LEAF_DATA,
  LEAF_TWIN,
  PAGE,
  SAVED_RECOVER,
  SAVED_STACK,
  SUPERVISOR_SAVED,
} from "./layout.js";
import type { Maker } from "./maker.js";
import { around, fixed, leaf, type Node } from "./node.js";
import { A, D, W, X } from "./setting.js";

// What changes the machine around the program: code, page tables, CSRs, interrupts, devices, other harts.

/** A trap that cannot be stepped over is to go on at `label`. */
function recoverAt(label: string): string {
  const parts = [0, SUPERVISOR_SAVED];
  return `la x6, ${label}; ${parts
    .map((part) => `sd x6, ${part + SAVED_RECOVER}(x4); sd x18, ${part + SAVED_STACK}(x4)`)
    .join("; ")}`;
}

// ---- traps ----

export function trap(maker: Maker): Node {
  const { random, setting } = maker;
  const register = free(random);
  const label = maker.label();
  const hole = BigInt.asIntN(64, setting.at.hole);
  const lost = (way: string) => `${recoverAt(label)}; li x6, ${hole}; ${way}; ${label}:`;
  return leaf(
    random.pick(
      [
        "ecall",
        "ebreak",
        "c.ebreak",
        ".word 0",
        ".half 0",
        `.word ${0xffffffff}`,
        `csrr x${register}, mscratch`,
        `csrr x${register}, 0x8ff`,
        `csrw cycle, x${register}`,
        `amoadd.w x${register}, x${register}, (x9)`,
        `li x6, ${hole}; lw x${register}, 4(x6)`,
        `li x6, ${hole}; sd x${register}, 8(x6)`,
        `li x6, ${hole - 4n}; ld x${register}, 0(x6)`,
        `li x6, ${hole}; lr.d x${register}, (x6)`,
        lost("jr x6"),
        lost("jalr x1, 0(x6)"),
        lost("jalr x5, 2(x6)"),
        "mret",
        "sfence.vma",
        "fadd.s f1, f2, f3, dyn",
      ].filter((text) => isKind(maker, text)),
    ),
  );
}

/** Whether it traps or does no harm: in machine mode MRET goes anywhere, and mscratch is ours to see. */
function isKind({ setting }: Maker, text: string): boolean {
  return !(text === "mret" && setting.mode === MACHINE);
}

// ---- memory ----

/** Moves the pointers that may move, within the data. */
export function movePointer({ random }: Maker): Node {
  const source = free(random);
  return leaf(
    random.chance(50)
      ? `srli x9, x${source}, 52; add x9, x9, x2`
      : `slli x15, x${source}, 52; srli x15, x15, 52; andi x15, x15, -4; add x15, x15, x8; c.addi16sp sp, 16; c.addi16sp sp, -16`,
  );
}

/** Accesses around the end of a page. */
export function crossPages({ random }: Maker): Node {
  const pointer = `li x6, ${PAGE}; add x7, x2, x6; srli x7, x7, 12; slli x7, x7, 12`;
  const accesses = Array.from({ length: random.between(1, 3) }, () => {
    const offset = random.between(-8, 7);
    const register = random.pick([10, 11, 12, 13, 14, 19, 20]);
    return `${random.pick(["lb", "lh", "lw", "ld", "lbu", "lhu", "lwu", "sb", "sh", "sw", "sd"])} x${register}, ${offset}(x7)`;
  });
  return leaf(`${pointer}; ${accesses.join("; ")}`);
}

/** Load-reserved and store-conditional until it succeeds. */
export function reservationLoop(maker: Maker): Node {
  const { random } = maker;
  const label = maker.label();
  const width = random.pick(["w", "d"]);
  const [a, b] = freeRegisters(random, 2) as [number, number];
  const pointer = random.pick([2, 8]);
  const between = random.weighted([
    [6, ""],
    [1, `sd x0, 0(x${pointer});`],
    [1, `lw x${b}, 64(x${pointer});`],
  ]);
  const end = maker.label();
  // Where it cannot succeed, such as on a page that may not be written, it gives up.
  return leaf(
    `li x16, 4; ${label}: lr.${width} x${a}, (x${pointer}); addi x${a}, x${a}, 1; ${between} addi x16, x16, -1; beqz x16, ${end};` +
      `sc.${width} x${b}, x${a}, (x${pointer}); bnez x${b}, ${label}; ${end}:`,
  );
}

/** Cache blocks and fences. */
export function cache({ random }: Maker): Node {
  const operation = random.pick(["cbo.zero", "cbo.zero", "cbo.inval", "cbo.clean", "cbo.flush", "fence", "fence.tso"]);
  return leaf(operation.startsWith("cbo") ? `${operation} (x${random.pick(POINTERS)})` : operation);
}

// ---- code that changes ----

/** An instruction that may be overwritten, also from elsewhere. */
export function slot(maker: Maker): Node {
  const label = maker.label();
  maker.slots.push(label);
  return { ...leaf(`${label}: .word ${harmlessWord(maker)}`), isFixed: true };
}

/** Overwrites a slot: from anywhere, in either mapping, with or without a fence. */
export function overwrite(maker: Maker): Node | undefined {
  const { random, setting } = maker;
  if (maker.slots.length === 0) return undefined;
  const target = random.pick(maker.slots);
  const delta = random.chance(70) ? setting.at.alias - setting.at.code : 0n;
  const word = random.weighted<() => number>([
    [8, () => harmlessWord(maker)],
    [1, () => 0],
    [1, () => 0x0040006f], // jal x0, .+4
    [1, () => 0x00000073], // ecall
    [1, () => 0x0000100f], // fence.i
  ])();
  const store = random.weighted([
    [5, "sw x7, 0(x6)"],
    [1, "sh x7, 0(x6)"],
    [1, "sh x7, 2(x6)"],
    [1, "sb x7, 3(x6)"],
    [1, "amoswap.w x7, x7, (x6)"],
    [1, "ld x10, 0(x6); xori x10, x10, 64; sd x10, 0(x6)"],
  ]);
  const fence = random.chance(50) ? "; fence.i" : "";
  return leaf(`la x6, ${target}; li x7, ${delta}; add x6, x6, x7; li x7, ${word | 0}; ${store}${fence}`);
}

/** Overwrites what comes next, in a loop, so that it was executed before. */
export function overwriteNext(maker: Maker): Node {
  const { random, setting } = maker;
  const [top, target] = [maker.label(), maker.label()];
  const delta = setting.at.alias - setting.at.code;
  const words = [harmlessWord(maker), harmlessWord(maker)] as const;
  const distance = random.chance(50)
    ? ""
    : Array.from({ length: 3 }, () => anyInstruction(random, [[1, "integer"]])).join("; ");
  const fence = random.chance(50) ? "fence.i" : "";
  return leaf(
    `li x16, 3; ${top}: la x6, ${target}; li x7, ${delta}; add x6, x6, x7; li x7, ${words[1] | 0}; sw x7, 0(x6); ${fence}\n${distance}\n` +
      `${target}: .word ${words[0]}; addi x16, x16, -1; bgtz x16, ${top}`,
  );
}

/** A device overwrites a slot. */
export function overwriteByDevice(maker: Maker): Node | undefined {
  const { random, setting } = maker;
  if (maker.slots.length === 0) return undefined;
  return leaf(
    `la x6, ${random.pick(maker.slots)}; li x7, ${device(maker)}; sw x6, ${DEVICE_PLACE}(x7); li x6, ${harmlessWord(maker) | 0}; sw x6, ${DEVICE_WORD}(x7)` +
      (setting.mode !== USER && random.chance(50) ? "; fence.i" : ""),
  );
}

/** The page outside of the code that page tables change under it. */
export function callTwin(maker: Maker): Node {
  const { random } = maker;
  const label = maker.label();
  const way = random.pick([
    "jal x1, twin",
    "call twin",
    `li x6, ${BigInt.asIntN(64, maker.setting.at.twin)}; jalr x1, 0(x6)`,
  ]);
  return leaf(`${recoverAt(label)}; ${way}; ${label}:`);
}

// ---- page tables ----

function fence({ random, setting }: Maker, vaddr: bigint): string {
  const address = `li x6, ${BigInt.asIntN(64, vaddr)}`;
  const asid = `csrr x7, satp; slli x7, x7, 4; srli x7, x7, 48`;
  return random.weighted([
    [5, `${address}; sfence.vma x6, x0`],
    [2, "sfence.vma"],
    [2, `${asid}; sfence.vma x0, x7`],
    [2, `${address}; ${asid}; sfence.vma x6, x7`],
    [1, `${address}; sfence.w.inval; sinval.vma x6, x0; sfence.inval.ir`],
    [setting.hartCount > 1 ? 0 : 1, `csrr x7, satp; csrw satp, x7; sfence.vma x0, x0`],
  ]);
}

const page = (base: bigint, n: number) => base + BigInt(n * PAGE);

/** Exchanges two pages of data, the twin, or rights; all that could see it late is fenced. */
export function remap(maker: Maker): Node | undefined {
  const { random, setting } = maker;
  if (setting.mode !== SUPERVISOR || !setting.isTranslated) return undefined;
  const { at } = setting;
  const entry = (index: number) => BigInt.asIntN(64, at.leaf + BigInt(8 * index));
  const [a, b] = freeRegisters(random, 2) as [number, number];
  switch (random.below(4)) {
    case 0: {
      const [first, second] = [random.below(DATA_PAGES), random.below(DATA_PAGES)];
      return leaf(
        `li x28, ${entry(LEAF_DATA)}; ld x6, ${8 * first}(x28); ld x7, ${8 * second}(x28); sd x6, ${8 * second}(x28); sd x7, ${8 * first}(x28);` +
          `${fence(maker, page(at.data, first))}; ${fence(maker, page(at.data, second))}`,
      );
    }
    case 1: {
      const n = random.below(DATA_PAGES);
      const bits = random.pick([W, W, A, D, 1n, 1n << 4n]);
      return leaf(
        `li x28, ${entry(LEAF_DATA)}; ld x6, ${8 * n}(x28); xori x6, x6, ${bits}; sd x6, ${8 * n}(x28); ${fence(maker, page(at.data, n))}; ld x${a}, ${8 * n}(x28)`,
      );
    }
    case 2:
      // The other page, by the lowest bit of its number.
      return leaf(
        `li x28, ${entry(LEAF_TWIN)}; ld x6, 0(x28); xori x6, x6, 0x400; sd x6, 0(x28); ${fence(maker, at.twin)}; ld x${b}, 0(x28)`,
      );
    default: {
      const bits = random.pick([X, X, A, 1n, W]);
      return leaf(
        `li x28, ${entry(LEAF_TWIN)}; ld x6, 0(x28); xori x6, x6, ${bits}; sd x6, 0(x28); ${fence(maker, at.twin)}`,
      );
    }
  }
}

/** Takes away the right to execute code a little further on, and gives it back in the other mapping. */
export function revoke(maker: Maker): Node | undefined {
  const { random, setting } = maker;
  if (setting.mode !== SUPERVISOR || !setting.isTranslated) return undefined;
  const { at } = setting;
  const [there, back] = [maker.label(), maker.label()];
  const entries = BigInt.asIntN(64, at.leaf + BigInt(8 * LEAF_CODE));
  const bits = random.pick([X, 1n, A]);
  // Both mappings' addresses have the page's number in their low bits.
  const find = `la x5, ${there}; srli x5, x5, 12; andi x5, x5, 7; slli x5, x5, 3; li x6, ${entries}; add x5, x5, x6`;
  const flush = random.pick([`la x6, ${there}; sfence.vma x6, x0`, "sfence.vma"]);
  return around(
    `${recoverAt(`${back}+${at.alias - at.code}`)}; ${find}; ld x6, 0(x5); andi x6, x6, ${~bits}; sd x6, 0(x5); ${flush}`,
    [...maker.straight(4), fixed(`${there}:`, maker.straight(3), "")],
    `${back}: ld x6, 0(x5); ori x6, x6, ${bits | A}; sd x6, 0(x5); sfence.vma`,
  );
}

export function switchSpace(maker: Maker): Node | undefined {
  const { random, setting } = maker;
  if (setting.mode === USER || setting.spaces[0] === 0n) return undefined;
  const satp = BigInt.asIntN(64, random.pick(setting.spaces));
  return leaf(`li x6, ${satp}; csrrw x${free(random)}, satp, x6${random.chance(30) ? "; sfence.vma" : ""}`);
}

// ---- CSRs ----

/** Rounding modes and flags, mostly for a while: what rounds otherwise than usual is not translated. */
export function floatStatus({ random }: Maker): Node {
  const register = free(random);
  if (random.chance(50)) {
    const floats = Array.from({ length: random.between(1, 4) }, () => leaf(anyInstruction(random, [[1, "float"]])));
    const [before, after] = random.pick([
      [`csrrwi x${register}, frm, ${random.between(1, 4)}`, "csrrwi x0, frm, 0"],
      [`csrrw x${register}, fcsr, x0`, `csrrsi x${register}, fflags, 1`],
      ["csrrci x0, fflags, 1", `csrrw x0, fcsr, x${register}; csrrwi x0, frm, 0; csrrsi x0, fflags, 1`],
      ["csrrwi x0, frm, 5", "csrrwi x0, frm, 0"],
    ] as const);
    return around(before, floats, after);
  }
  return leaf(
    random.pick([
      `csrrwi x${register}, frm, ${random.below(5)}`,
      `csrrwi x0, frm, ${random.bits(3)}`,
      `csrrw x${register}, fflags, x0`,
      `csrrsi x${register}, fflags, ${random.bits(5)}`,
      `csrrci x0, fflags, ${random.bits(5)}`,
      `frcsr x${register}`,
      `frflags x${register}`,
      `fscsr x${register}, x0`,
    ]),
  );
}

export function counter({ random }: Maker): Node {
  return leaf(`csrr x${free(random)}, ${random.pick(["cycle", "instret", "time", "instret"])}`);
}

/** sstatus and what else a kernel changes all day. */
export function status(maker: Maker): Node {
  const { random, setting } = maker;
  const register = free(random);
  const p = setting.mode === MACHINE && random.chance(60) ? "m" : "s";
  const bits = random.pick([0x4_0000, 0x4_0000, 0x8_0000, 0x2000, 0x6000, 0x100, 0x20]);
  return leaf(
    random.pick([
      `csrrsi x${register}, ${p}status, 2`,
      `csrrci x${register}, ${p}status, 2`,
      `csrsi ${p}status, ${p === "m" ? 8 : 2}`,
      `csrci ${p}status, ${p === "m" ? 8 : 2}`,
      `li x6, ${bits}; csrs ${p}status, x6`,
      `li x6, ${bits}; csrc ${p}status, x6`,
      `li x6, ${bits}; csrrs x7, ${p}status, x6; csrw ${p}status, x7`,
      `csrr x${register}, ${p}status`,
      `csrr x${register}, ${p}ie`,
      `csrr x${register}, ${p}cause`,
      `csrrw x${register}, sepc, x${register}`,
    ]),
  );
}

/** Pending at once, or soon, if it is enabled. */
export function interrupt(maker: Maker): Node {
  const { random, setting } = maker;
  const p = setting.mode === MACHINE ? "m" : "s";
  const hart = random.below(setting.hartCount);
  return leaf(
    random.pick([
      `csrsi ${p}ip, 2`,
      `csrr x6, time; addi x6, x6, ${random.between(0, 60)}; csrw stimecmp, x6`,
      `li x6, ${BigInt.asIntN(64, setting.at.clint)}; li x7, 1; sw x7, ${4 * hart}(x6)`,
      `li x6, ${device(maker)}; li x7, ${hart}; sw x7, ${DEVICE_INTERRUPT}(x6)`,
      `csrsi ${p}ie, 2`,
    ]),
  );
}

/** Lets others run, or waits until something happens. */
export function wait({ random, setting }: Maker): Node {
  return leaf(random.chance(70) || setting.mode === USER ? "pause" : "wfi");
}

/** Loads and stores of machine mode as if of another. */
export function lendPrivilege(maker: Maker): Node | undefined {
  const { random, setting } = maker;
  if (setting.mode !== MACHINE) return undefined;
  const mpp = random.pick([0, 0x800, 0x1800]);
  return around(
    `li x6, 0x1800; csrc mstatus, x6; li x6, ${mpp | 0x2_0000}; csrs mstatus, x6`,
    [leaf(anyInstruction(random, [[1, "memory"]])), leaf(anyInstruction(random, [[1, "memory"]]))],
    "li x6, 0x20000; csrc mstatus, x6",
  );
}

/** On in another mode, and back by a call. */
export function dropPrivilege(maker: Maker): Node | undefined {
  const { random, setting } = maker;
  const [there, back] = [maker.label(), maker.label()];
  if (setting.mode === MACHINE) {
    const mpp = random.pick([0, 0x800]);
    return around(
      `${recoverAt(back)}; la x6, ${there}; csrw mepc, x6; li x6, 0x1800; csrc mstatus, x6; li x6, ${mpp}; csrs mstatus, x6; mret; ${there}:`,
      maker.straight(5),
      `ecall; ${back}:`,
    );
  }
  if (setting.mode !== SUPERVISOR) return undefined;
  const isUser = random.chance(60);
  if (isUser) {
    return leaf(
      `${recoverAt(back)}; li x6, ${BigInt.asIntN(64, setting.at.twin)}; csrw sepc, x6; li x6, 0x100; csrc sstatus, x6; sret; ${back}:`,
    );
  }
  return leaf(`la x6, ${there}; csrw sepc, x6; li x6, 0x120; csrs sstatus, x6; sret; ${there}:`);
}

// ---- devices ----

function device({ setting }: Maker): bigint {
  return BigInt.asIntN(64, setting.at.device);
}

export function deviceAccess(maker: Maker): Node {
  const { random } = maker;
  const register = free(random);
  const address = `li x6, ${device(maker)}`;
  return leaf(
    random.weighted([
      [6, `${address}; ${random.pick(["lb", "lhu", "lw", "ld"])} x${register}, ${DEVICE_NUMBER}(x6)`],
      [2, `${address}; ${random.pick(["sb", "sh", "sw"])} x${register}, ${DEVICE_NUMBER}(x6)`],
      [1, `${address}; sw x0, ${DEVICE_STOP}(x6)`],
      [1, `${address}; lw x${register}, 0x700(x6)`],
    ]),
  );
}
