import { wasm } from "./wasm.js";

/**
 * A module whose one function gives a * b + c by f64x2.relaxed_madd, which may round once or twice: WebAssembly relaxed
 * SIMD, opcode 0xfd 0x107.
 */
const MODULE = Uint8Array.from([
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // magic, version
  ...[0x01, 0x08, 0x01, 0x60, 0x03, 0x7c, 0x7c, 0x7c, 0x01, 0x7c], // type: (f64, f64, f64) -> f64
  ...[0x03, 0x02, 0x01, 0x00], // function 0 has type 0
  ...[0x07, 0x05, 0x01, 0x01, 0x66, 0x00, 0x00], // export "f"
  ...[0x0a, 0x16, 0x01, 0x14, 0x00], // code: one body of 20 bytes, no locals
  ...[0x20, 0x00, 0xfd, 0x14, 0x20, 0x01, 0xfd, 0x14, 0x20, 0x02, 0xfd, 0x14], // each parameter splatted
  ...[0xfd, 0x87, 0x02, 0xfd, 0x21, 0x00, 0x0b], // relaxed_madd, extract_lane 0, end
]);

/** Whether the engine has relaxed SIMD and its multiply-add rounds once, as RISC-V's does. */
export function hasFusedMultiplyAdd(): boolean {
  if (!wasm.validate(MODULE)) return false;
  let f: (a: number, b: number, c: number) => number;
  try {
    ({ f } = new wasm.Instance(new wasm.Module(MODULE), {}).exports as { f: typeof f });
  } catch {
    // A host that forbids compiling at run time: nothing will be translated.
    return false;
  }
  // (1 + e)(1 - e) = 1 - e^2: rounded first, the product is 1 and the difference from it is lost.
  const e = 2 ** -30;
  return f(1 + e, 1 - e, -1) === -(e ** 2);
}
