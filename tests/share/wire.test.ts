import fc from "fast-check";
import { expect, test } from "vitest";
import { WireReader, WireWriter } from "../../host/share/wire.js";
import { encode, type Field } from "./p9-client.js";

const field: fc.Arbitrary<Field> = fc.oneof(
  fc.nat(0xff).map((value): Field => ["u8", value]),
  fc.nat(0xffff).map((value): Field => ["u16", value]),
  fc.nat(0xffff_ffff).map((value): Field => ["u32", value]),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map((value): Field => ["u64", value]),
  fc.uint8Array({ maxLength: 300 }).map((bytes): Field => ["string", Buffer.from(bytes).toString("latin1")]),
);

test("wire: any fields are written as another encoder writes them, however long the message gets, and read again", () => {
  fc.assert(
    fc.property(fc.array(field, { maxLength: 200 }), (fields) => {
      const writer = new WireWriter(1 << 20);
      for (const [kind, value] of fields) {
        if (kind === "u64") writer.u64(value);
        else if (kind === "string") writer.string(value);
        else if (kind !== "bytes") writer[kind](value);
      }
      const message = writer.message(9, 77);
      expect(Buffer.from(message).equals(encode(9, 77, fields))).toBe(true);
      const reader = new WireReader(message);
      for (const [kind, value] of fields) if (kind !== "bytes") expect(reader[kind]()).toBe(value);
    }),
  );
});

test("wire: every kind of field survives the moment in which the message outgrows its room", () => {
  for (let before = 0; before < 400; before++) {
    const writer = new WireWriter(1 << 16);
    const fields: Field[] = Array.from({ length: before }, () => ["u8", 7]);
    for (let index = 0; index < before; index++) writer.u8(7);
    expect(Buffer.from(writer.message(1, 2)).equals(encode(1, 2, fields)), `${before} bytes`).toBe(true);
  }
});
