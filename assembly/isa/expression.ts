/** The symbols of a listing, and the place in it that is being assembled. */
export class Scope {
  /** Address of the statement being assembled. */
  here: bigint;
  readonly #symbols = new Map<string, bigint>();
  /** Addresses of numeric labels, which may be defined again and again. */
  readonly #numbered = new Map<string, bigint[]>();

  constructor(here: bigint) {
    this.here = here;
  }

  get symbols(): ReadonlyMap<string, bigint> {
    return this.#symbols;
  }

  /** @throws RangeError when it is defined already */
  define(name: string, value: bigint): void {
    if (!/^[A-Za-z_.$][\w.$]*$/.test(name)) throw new RangeError(`"${name}" is no name`);
    if (this.#symbols.has(name)) throw new RangeError(`"${name}" is defined twice`);
    this.#symbols.set(name, value);
  }

  /** Gives the present address a name, or a number. */
  defineLabel(name: string): void {
    if (/^\d+$/.test(name)) this.#numbered.set(name, [...(this.#numbered.get(name) ?? []), this.here]);
    else this.define(name, this.here);
  }

  /**
   * The value of a sum such as `table + 8*4`, without parentheses: products bind closer, all else from left to right.
   *
   * @throws RangeError naming what is no number and no symbol defined so far
   */
  evaluate(text: string): bigint {
    const sum = text.replaceAll(" ", "").match(/[+-]?[^+-]+/g);
    if (!sum || sum.join("") !== text.replaceAll(" ", "")) throw new RangeError(`"${text}" is no expression`);
    return sum.reduce((total, term) => {
      const product = term
        .replace(/^[+-]/, "")
        .split("*")
        .reduce((value, factor) => value * this.#term(factor), 1n);
      return term.startsWith("-") ? total - product : total + product;
    }, 0n);
  }

  #term(text: string): bigint {
    if (/^(0x[\da-f]+|0b[01]+|\d+)$/i.test(text)) return BigInt(text);
    if (text === ".") return this.here;
    const reference = /^(\d+)([bf])$/.exec(text);
    const value = reference ? this.#nearest(reference[1]!, reference[2] === "b") : this.#symbols.get(text);
    if (value === undefined) throw new RangeError(`"${text}" is not defined here`);
    return value;
  }

  #nearest(label: string, before: boolean): bigint | undefined {
    const addresses = this.#numbered.get(label) ?? [];
    return before
      ? addresses.filter((address) => address <= this.here).at(-1)
      : addresses.find((address) => address > this.here);
  }
}
