/** Writes bytes of a Wasm module upwards from `at`. */
@unmanaged export class Writer {
  at: u32;

  @inline byte(value: u32): void {
    store<u8>(<usize>this.at, <u8>value);
    this.at += 1;
  }
  bytes2(a: u32, b: u32): void {
    this.byte(a);
    this.byte(b);
  }
  /** Unsigned LEB128. */
  unsigned(value: u32): void {
    while (value >= 0x80) {
      this.byte((value & 0x7f) | 0x80);
      value >>= 7;
    }
    this.byte(value);
  }
  /** Signed LEB128. */
  signed(value: i64): void {
    for (;;) {
      const low = <u32>value & 0x7f;
      value >>= 7;
      if ((value == 0 && (low & 0x40) == 0) || (value == -1 && (low & 0x40) != 0)) {
        this.byte(low);
        return;
      }
      this.byte(low | 0x80);
    }
  }
  /** Room for a length that is not known yet: five bytes. */
  reserve(): u32 {
    const place = this.at;
    this.at += 5;
    return place;
  }
  /** Fills in, at `place`, the length of what was written since. */
  fill(place: u32): void {
    const length = this.at - place - 5;
    for (let n: u32 = 0; n < 5; n++) {
      store<u8>(<usize>(place + n), <u8>(((length >> (7 * n)) & 0x7f) | (n < 4 ? 0x80 : 0)));
    }
  }

  // ---- instructions ----

  op(code: u32): void {
    this.byte(code);
  }
  opIndex(code: u32, index: u32): void {
    this.byte(code);
    this.unsigned(index);
  }
  i32(value: i32): void {
    this.byte(0x41);
    this.signed(value);
  }
  i64(value: i64): void {
    this.byte(0x42);
    this.signed(value);
  }
  /** A load or store. @param align log2 of the alignment promised */
  access(code: u32, align: u32, offset: u32): void {
    this.byte(code);
    this.unsigned(align);
    this.unsigned(offset);
  }
}
