import fc from "fast-check";
import { expect, test } from "vitest";
import { readModuleInfo, withoutSignature } from "../../host/images/module-info.js";
import { VivariumError } from "../../host/util/errors.js";

/** An ELF-64 file with nothing but sections, laid out as the ELF specification has it. */
function elf(sections: Readonly<Record<string, string>>): Buffer {
  const contents: Record<string, string> = { "": "", ...sections, ".shstrtab": "" };
  const names = `${Object.keys(contents).join("\0")}\0`;
  contents[".shstrtab"] = names;
  const bodies = Object.values(contents).map((content) => Buffer.from(content, "latin1"));
  const header = Buffer.alloc(64);
  header.write("\x7fELF\x02\x01\x01", "latin1");
  const tableOffset = 64 + bodies.reduce((sum, body) => sum + body.length, 0);
  header.writeBigUInt64LE(BigInt(tableOffset), 40);
  header.writeUInt16LE(64, 58);
  header.writeUInt16LE(bodies.length, 60);
  header.writeUInt16LE(bodies.length - 1, 62);
  let offset = 64;
  let nameOffset = 0;
  const table = Object.keys(contents).map((name, index) => {
    const entry = Buffer.alloc(64);
    entry.writeUInt32LE(nameOffset, 0);
    entry.writeBigUInt64LE(BigInt(offset), 24);
    entry.writeBigUInt64LE(BigInt(bodies[index]!.length), 32);
    nameOffset += name.length + 1;
    offset += bodies[index]!.length;
    return entry;
  });
  return Buffer.concat([header, ...bodies, ...table]);
}

const MODINFO =
  "license=GPL\0alias=virtio:d00000009v*\0alias=9p-virtio\0depends=9pnet,virtio-ring\0name=9pnet_virtio\0";

test("module info: name, dependencies and aliases come from .modinfo", () => {
  expect(readModuleInfo(elf({ ".text": "code", ".modinfo": MODINFO }), "9pnet_virtio.ko")).toEqual({
    name: "9pnet_virtio",
    depends: ["9pnet", "virtio_ring"],
    aliases: ["virtio:d00000009v*", "9p-virtio"],
  });
});

test("module info: an empty list of dependencies is none", () => {
  expect(readModuleInfo(elf({ ".modinfo": "depends=\0name=virtio_mmio\0" }), "virtio_mmio.ko").depends).toEqual([]);
});

test.each([
  ["no ELF file", Buffer.from("text")],
  ["an ELF file without .modinfo", elf({ ".text": "code" })],
  ["a 32-bit ELF file", elf({ ".modinfo": MODINFO }).fill(1, 4, 5)],
])("module info: %s is refused by name", (_, file) => {
  expect(() => readModuleInfo(file, "x.ko")).toThrow("x.ko: expected a 64-bit ELF file with a .modinfo section");
});

test("module info: damaged ELF files are refused, never read out of bounds", () => {
  const sound = elf({ ".modinfo": MODINFO });
  const damage = fc.array(fc.tuple(fc.nat(sound.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 6 });
  fc.assert(
    fc.property(damage, fc.nat(sound.length), (changes, byteLength) => {
      const file = Buffer.from(sound.subarray(0, byteLength));
      for (const [at, byte] of changes) if (at < file.length) file[at] = byte;
      try {
        readModuleInfo(file, "x.ko");
      } catch (error) {
        expect(error).toBeInstanceOf(VivariumError);
      }
    }),
  );
});

/** What Linux's scripts/sign-file.c appends: signature, struct module_signature (length last, big endian), mark. */
function signed(module: Uint8Array, signatureByteLength: number): Buffer {
  const info = Buffer.alloc(12);
  info[2] = 2; // PKEY_ID_PKCS7
  info.writeUInt32BE(signatureByteLength, 8);
  const mark = "~Module signature appended~\n";
  return Buffer.concat([module, Buffer.alloc(signatureByteLength, 0x5a), info, Buffer.from(mark)]);
}

test("module signature: it is cut off, and the module before it stays as it was", () => {
  const module = elf({ ".modinfo": MODINFO });
  expect(Buffer.from(withoutSignature(signed(module, 264)))).toEqual(module);
});

test("module signature: a module that has none stays as it is", () => {
  const module = elf({ ".modinfo": MODINFO });
  expect(withoutSignature(module)).toBe(module);
});

test("module signature: one that claims to be longer than the file leaves nothing, and that is no module", () => {
  for (const claimed of [5, 0xffff_ffff]) {
    const lying = signed(new Uint8Array(), 4);
    lying.writeUInt32BE(claimed, 12);
    expect(withoutSignature(lying).length).toBe(0);
  }
});
