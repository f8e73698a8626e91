import type { Random } from "../random.js";
import { anyInstruction, type Mix } from "./instructions.js";
import { leaf, type Node } from "./node.js";
import type { Setting } from "./setting.js";

/** What the items of a program are made with. */
export class Maker {
  readonly random: Random;
  readonly setting: Setting;
  readonly mix: Mix;
  /** Labels of instructions that may be overwritten, four bytes each. */
  readonly slots: string[] = [];
  /** Functions that may be called from here: those made before. */
  readonly functions: string[] = [];
  readonly recursions: string[] = [];
  #labels = 0;

  constructor(random: Random, setting: Setting, mix: Mix) {
    this.random = random;
    this.setting = setting;
    this.mix = mix;
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
