import type { Random } from "../random.js";
import { anyInstruction, type Mix } from "./instructions.js";
import { leaf, type Node } from "./node.js";
import type { Setting } from "./setting.js";

/** Makes a part of a program; undefined where there can be none of its kind. */
export type Item = (maker: Maker, level: number) => Node | undefined;

/** What the items of a program are made with. */
export class Maker {
  readonly random: Random;
  readonly setting: Setting;
  readonly mix: Mix;
  readonly items: readonly (readonly [weight: number, Item])[];
  /** Labels of instructions that may be overwritten, four bytes each. */
  readonly slots: string[] = [];
  /** Functions that may be called from here: those made before. */
  readonly functions: string[] = [];
  readonly recursions: string[] = [];
  #labels = 0;

  constructor(random: Random, setting: Setting, mix: Mix, items: Maker["items"]) {
    this.random = random;
    this.setting = setting;
    this.mix = mix;
    this.items = items;
  }

  label(): string {
    return `L${this.#labels++}`;
  }
  instruction(): Node {
    return leaf(anyInstruction(this.random, this.mix));
  }
  straight(most: number): Node[] {
    return Array.from({ length: this.random.between(1, most) }, () => this.instruction());
  }
}
