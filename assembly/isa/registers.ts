// Register names of the RISC-V calling convention, by number.

const X_NAMES = [
  "zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5",
  "a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6",
].flatMap((names) => names.split(" "));

const F_NAMES = [
  "ft0 ft1 ft2 ft3 ft4 ft5 ft6 ft7 fs0 fs1 fa0 fa1 fa2 fa3 fa4 fa5",
  "fa6 fa7 fs2 fs3 fs4 fs5 fs6 fs7 fs8 fs9 fs10 fs11 ft8 ft9 ft10 ft11",
].flatMap((names) => names.split(" "));

const X_NUMBERS = numbersByName("x", X_NAMES).set("fp", 8);
const F_NUMBERS = numbersByName("f", F_NAMES);

/** The integer register's name in the calling convention: `sp` for 2. */
export function xName(number: number): string {
  return X_NAMES[number]!;
}

/** The floating-point register's name in the calling convention: `fa0` for 10. */
export function fName(number: number): string {
  return F_NAMES[number]!;
}

/** The number of an integer register, by either of its names; undefined when there is none so called. */
export function xNumber(name: string): number | undefined {
  return X_NUMBERS.get(name);
}

/** The number of a floating-point register, by either of its names; undefined when there is none so called. */
export function fNumber(name: string): number | undefined {
  return F_NUMBERS.get(name);
}

function numbersByName(prefix: string, names: readonly string[]): Map<string, number> {
  return new Map(
    names.flatMap((name, n): [string, number][] => [
      [name, n],
      [`${prefix}${n}`, n],
    ]),
  );
}
