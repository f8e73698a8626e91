import { disassemble } from "../../../assembly/isa/disassemble.js";
import { fName, xName } from "../../../assembly/isa/registers.js";
import { regionText } from "../../../host/core/translated-region.js";
import type { Difference, Divergence } from "./lockstep.js";
import { textOf } from "./node.js";
import { assembleScenario, type Scenario } from "./scenario.js";

/** Differences and regions told at most, registers apart. */
const SHOWN = 20;
const REGIONS_SHOWN = 12;

/** A divergence for people: the program, its listing, both register files with `*` where they differ, and the Wasm. */
export function reportOf(divergence: Divergence): string {
  const { scenario, way, slice, what, pair } = divergence;
  const { setting } = scenario;
  const others = what.filter(({ place }) => place !== "x" && place !== "f");
  return [
    `seed ${scenario.seed}, ${way.name}: ${setting.title}; after slice ${slice} of ${scenario.slices
      .map(({ budget, afterwards }) => `${budget}${afterwards === undefined ? "" : ` ${afterwards}`}`)
      .join(", ")}`,
    "",
    textOf(scenario.code),
    ...scenario.twins.map((twin, n) => `twin ${n}:\n${textOf(twin)}`),
    "",
    ...listingOf(scenario),
    "",
    ...pair.interpreted.core.harts.flatMap((hart, id) => [
      `hart ${id}         interpreted      translated         interpreted      translated`,
      ...registers(divergence, id),
      `pc ${hex(hart.pc)}, ${hex(pair.translated.core.harts[id]!.pc)}`,
    ]),
    "",
    ...others.slice(0, SHOWN).map(line),
    others.length > SHOWN ? `and ${others.length - SHOWN} more` : "",
    ...pair.translated.regions.slice(0, REGIONS_SHOWN).map((region) => `\nslot ${region.slot}\n${regionText(region)}`),
  ].join("\n");
}

/** All code as it was at the beginning. */
export function listingOf(scenario: Scenario): string[] {
  const { code, twins, symbols } = assembleScenario(scenario);
  const { at } = scenario.setting;
  const labels = new Map([...symbols].map(([name, address]) => [address, name]));
  return [
    ...disassembly(code, at.code + BigInt(scenario.start), labels),
    ...twins.flatMap((twin, n) => [`twin ${n}`, ...disassembly(twin, at.twin, new Map())]),
  ];
}

function disassembly(bytes: Uint8Array, from: bigint, labels: ReadonlyMap<bigint, string>): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const lines: string[] = [];
  for (let offset = 0; offset + 2 <= bytes.length; ) {
    const low = view.getUint16(offset, true);
    const isWide = (low & 3) === 3 && offset + 4 <= bytes.length;
    const bits = isWide ? view.getUint32(offset, true) : low;
    const pc = BigInt.asUintN(64, from + BigInt(offset));
    const label = labels.get(pc);
    if (label !== undefined) lines.push(`${label}:`);
    lines.push(
      `  ${hex(pc)}  ${bits
        .toString(16)
        .padStart(isWide ? 8 : 4, "0")
        .padEnd(8)}  ${disassemble(bits, pc)}`,
    );
    offset += isWide ? 4 : 2;
  }
  return lines;
}

function registers({ pair, what }: Divergence, id: number): string[] {
  const [one, other] = [pair.interpreted.core.harts[id]!, pair.translated.core.harts[id]!];
  const differs = (place: string, index: number) =>
    what.some((d) => d.place === place && d.hart === id && d.index === index);
  const cell = (name: string, place: string, n: number, mine: bigint, theirs: bigint) => {
    const isOther = differs(place, n);
    return `${isOther ? "*" : " "} ${name.padEnd(6)} ${hex(mine)} ${isOther ? hex(theirs) : "=".padEnd(16)}`;
  };
  return Array.from({ length: 32 }, (_, n) =>
    `${cell(xName(n), "x", n, one.x(n), other.x(n))}   ${cell(fName(n), "f", n, one.f(n), other.f(n))}`.trimEnd(),
  );
}

function line({ place, hart, index, interpreted, translated }: Difference): string {
  return `* ${place} ${index} of hart ${hart}: ${hex(interpreted, 0)} interpreted, ${hex(translated, 0)} translated`;
}

function hex(value: bigint, digits = 16): string {
  return BigInt.asUintN(64, value).toString(16).padStart(digits, "0");
}
