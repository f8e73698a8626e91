import { describe, expect, test } from "vitest";
import { type Boot, type BootPlan, planBoot } from "../../host/machine/boot.js";
import { VIRT_MEMORY_MAP } from "../../host/machine/memory-map.js";
import { elfFile } from "./elf-file.js";

const MIB = 1024 * 1024;
const RAM = 0x8000_0000;

/** A Linux Image as the kernel's boot-image-header document describes it. */
function linuxImage(imageByteLength: number, fileByteLength = 4096): Uint8Array {
  const out = Buffer.alloc(fileByteLength);
  out.writeBigUInt64LE(0x20_0000n, 8);
  out.writeBigUInt64LE(BigInt(imageByteLength), 16);
  out.write("RISCV\0\0\0", 48, "latin1");
  out.write("RSC\x05", 56, "latin1");
  return new Uint8Array(out);
}

function plan(boot: Boot, memoryMiB = 512, hartCount = 1): BootPlan {
  return planBoot({
    boot,
    hartCount,
    memoryByteLength: memoryMiB * MIB,
    memoryMap: VIRT_MEMORY_MAP,
    seed: new Uint8Array(40),
  });
}

function loadAt(boot: BootPlan, paddr: number): Uint8Array | undefined {
  return boot.loads.find((load) => load.paddr === paddr)?.contents;
}

function isDeviceTree(bytes: Uint8Array | undefined): boolean {
  return bytes !== undefined && Buffer.from(bytes.subarray(0, 4)).toString("hex") === "d00dfeed";
}

const initrd = Uint8Array.from({ length: 3 * MIB + 1 }, (_, index) => index);

describe("boot: linux", () => {
  test("a kernel starts in S-mode on hart 0 at 0x80200000 with hartid and device tree", () => {
    const kernel = linuxImage(8 * MIB);
    const boot = plan({ kind: "linux", kernel, commandLine: "" }, 512, 4);
    // The tree is 2 MiB aligned below the end of RAM.
    expect(boot.deviceTree).toBe(RAM + 510 * MIB);
    expect(boot.harts).toEqual([
      { hart: 0, pc: 0x8020_0000n, privilege: 1, a0: 0n, a1: BigInt(boot.deviceTree), a2: 0n },
    ]);
    expect(loadAt(boot, 0x8020_0000)).toBe(kernel);
    expect(isDeviceTree(loadAt(boot, boot.deviceTree))).toBe(true);
  });

  test("the device tree stays below 3 GiB in a larger memory", () => {
    expect(plan({ kind: "linux", kernel: linuxImage(MIB), commandLine: "" }, 2048).deviceTree).toBe(
      0xc000_0000 - 2 * MIB,
    );
  });

  test("the initrd goes half of RAM, but at most 128 MiB, above the kernel's start", () => {
    const kernel = linuxImage(8 * MIB);
    expect(loadAt(plan({ kind: "linux", kernel, initrd, commandLine: "" }, 1024), 0x8820_0000)).toBe(initrd);
    expect(loadAt(plan({ kind: "linux", kernel, initrd, commandLine: "" }, 64), 0x8220_0000)).toBe(initrd);
  });

  test("the initrd makes way for a kernel that is larger than half of RAM, and for the device tree", () => {
    const high = plan({ kind: "linux", kernel: linuxImage(40 * MIB + 5), initrd, commandLine: "" }, 64);
    expect(loadAt(high, 0x8020_0000 + 40 * MIB + 4096)).toBe(initrd);
    const big = new Uint8Array(27 * MIB);
    const low = plan({ kind: "linux", kernel: linuxImage(8 * MIB), initrd: big, commandLine: "" }, 40);
    const place = low.loads.find((load) => load.contents === big)!.paddr;
    expect(place).toBeGreaterThanOrEqual(0x8020_0000 + 8 * MIB);
    expect(place + big.length).toBeLessThanOrEqual(low.deviceTree);
  });

  test("a vmlinux, linked in the upper half with no usable physical addresses, is moved as a whole", () => {
    const text = Uint8Array.of(1, 2, 3);
    const data = Uint8Array.of(4);
    const vmlinux = elfFile({
      entry: 0xffff_ffff_8000_0002n,
      segments: [
        { vaddr: 0xffff_ffff_8000_0000n, contents: text },
        { vaddr: 0xffff_ffff_8040_0000n, paddr: 0x40_0000n, contents: data, memoryByteLength: 0x1000 },
      ],
    });
    const boot = plan({ kind: "linux", kernel: vmlinux, commandLine: "" });
    expect(boot.harts[0]!.pc).toBe(0x8020_0002n);
    expect(loadAt(boot, 0x8020_0000)).toEqual(text);
    expect(loadAt(boot, 0x8060_0000)).toEqual(data);
  });

  test("an ELF kernel with physical addresses in RAM goes there, and its entry is translated", () => {
    const kernel = elfFile({
      entry: 0xffff_ffc0_8020_0010n,
      segments: [{ vaddr: 0xffff_ffc0_8020_0000n, paddr: 0x8020_0000n, contents: new Uint8Array(32) }],
    });
    expect(plan({ kind: "linux", kernel, commandLine: "" }).harts[0]!.pc).toBe(0x8020_0010n);
  });

  test("a segment's zeroed end may lie under another segment's bytes, and counts as the kernel's memory", () => {
    const data = Uint8Array.of(1, 2, 3, 4);
    const more = Uint8Array.of(5, 6);
    const kernel = elfFile({
      entry: 0x8020_0000n,
      segments: [
        { vaddr: 0x8020_1000n, paddr: 0x8020_0000n, contents: new Uint8Array(), memoryByteLength: 20 * MIB },
        { vaddr: 0x8020_0000n, contents: data },
        { vaddr: 0x8020_0004n, contents: more },
      ],
    });
    const boot = plan({ kind: "linux", kernel, initrd: Uint8Array.of(7), commandLine: "" }, 32);
    const loaded = (paddr: number) => boot.loads.filter((load) => load.paddr === paddr && load.contents.length > 0);
    expect(loaded(0x8020_0000)).toEqual([{ paddr: 0x8020_0000, contents: data }]);
    expect(loaded(0x8020_0004)).toEqual([{ paddr: 0x8020_0004, contents: more }]);
    expect(boot.loads.find((load) => load.contents[0] === 7)?.paddr).toBeGreaterThanOrEqual(0x8020_0000 + 20 * MIB);
  });

  test.each([
    [
      "a kernel larger than memory",
      { kernel: linuxImage(40 * MIB) },
      "kernel: needs 40 MiB at 0x80200000, but memory of 32 MiB has 30 MiB there",
    ],
    [
      "a kernel that leaves no room for the device tree",
      { kernel: linuxImage(30 * MIB) },
      /^device tree: needs \d+ bytes at 0x82000000, but memory of 32 MiB has 0 bytes there$/,
    ],
    [
      "an initrd larger than what is left",
      { kernel: linuxImage(MIB), initrd: new Uint8Array(30 * MIB) },
      "initrd: 30 MiB do not fit between the kernel's end at 0x80300000 and the device tree: memory has 32 MiB",
    ],
    ["an absurd image length", { kernel: linuxImage(2 ** 50) }, /^kernel: needs 1073741824 MiB at 0x80200000/],
    ["an empty file", { kernel: new Uint8Array() }, "kernel: the file is empty"],
    [
      "gzip",
      { kernel: Uint8Array.of(0x1f, 0x8b, 8, 0) },
      "kernel: the file is gzip-compressed; unpack it to a Linux Image or an ELF first",
    ],
    [
      "a compressed EFI image",
      { kernel: Buffer.from("MZ\0\0zimg, and more") },
      "kernel: the file is a compressed EFI image (vmlinuz.efi); unpack it to a Linux Image or an ELF first",
    ],
    [
      "a text",
      { kernel: Buffer.from("root:x:0:0:root:/root:/bin/bash\n".repeat(4)) },
      "kernel: neither a RISC-V Linux Image nor an ELF file",
    ],
    [
      "an ELF outside memory",
      { kernel: elfFile({ entry: 0x1000n, segments: [{ vaddr: 0x1000n, contents: new Uint8Array(16) }] }) },
      "kernel: segment 0x1000..0x100f is outside memory, 0x80000000..0x81ffffff",
    ],
    [
      "an ELF that ends outside memory",
      {
        kernel: elfFile({
          entry: 0x81ff_ffffn,
          segments: [{ vaddr: 0x81ff_ffffn, contents: new Uint8Array(1), memoryByteLength: 2 }],
        }),
      },
      "kernel: segment 0x81ffffff..0x82000000 is outside memory, 0x80000000..0x81ffffff",
    ],
    [
      "an ELF with its entry nowhere",
      { kernel: elfFile({ entry: 0x8000_0010n, segments: [{ vaddr: 0x8000_0000n, contents: new Uint8Array(16) }] }) },
      "kernel: broken ELF: its entry 0x80000010 is in no segment",
    ],
    [
      "an ELF with overlapping segments",
      {
        kernel: elfFile({
          entry: 0x8000_0000n,
          segments: [
            { vaddr: 0x8000_0008n, contents: new Uint8Array(16) },
            { vaddr: 0x8000_0000n, contents: new Uint8Array(9) },
          ],
        }),
      },
      "kernel: broken ELF: two segments overlap at 0x80000008",
    ],
  ])("refuses %s in one line", (_, files, message) => {
    expect(() => plan({ kind: "linux", commandLine: "", ...files }, 32)).toThrow(message);
  });
});

describe("boot: firmware", () => {
  const firmware = Uint8Array.from({ length: 100_000 }, (_, index) => index);

  test("starts every hart in M-mode at 0x80000000 with hartid, device tree and struct fw_dynamic_info", () => {
    const kernel = linuxImage(8 * MIB);
    const boot = plan({ kind: "firmware", firmware, kernel, commandLine: "" }, 128, 2);
    expect(loadAt(boot, 0x8000_0000)).toBe(firmware);
    expect(loadAt(boot, 0x8020_0000)).toBe(kernel);
    expect(boot.harts.map(({ pc, privilege, a0, a1 }) => [pc, privilege, a0, a1])).toEqual([
      [0x8000_0000n, 3, 0n, BigInt(boot.deviceTree)],
      [0x8000_0000n, 3, 1n, BigInt(boot.deviceTree)],
    ]);
    const info = Buffer.from(loadAt(boot, Number(boot.harts[1]!.a2))!);
    const fields = Array.from({ length: 6 }, (_, index) => info.readBigUInt64LE(index * 8));
    expect(fields).toEqual([0x4942534fn, 2n, 0x8020_0000n, 1n, 0n, 0n]);
  });

  test("a flat binary is a kernel for a firmware, and no kernel is fine, too", () => {
    const flat = Uint8Array.of(0x13, 0, 0, 0);
    expect(loadAt(plan({ kind: "firmware", firmware, kernel: flat, commandLine: "" }), 0x8020_0000)).toBe(flat);
    expect(plan({ kind: "firmware", firmware, commandLine: "" }).harts[0]!.pc).toBe(0x8000_0000n);
  });

  test("a firmware larger than 2 MiB pushes the kernel up, the initrd follows it", () => {
    const boot = plan(
      { kind: "firmware", firmware: new Uint8Array(2 * MIB + 1), kernel: linuxImage(MIB), initrd, commandLine: "" },
      1024,
    );
    expect(loadAt(boot, 0x8040_0000)).toBeDefined();
    expect(loadAt(boot, 0x8840_0000)).toBe(initrd);
  });

  test("an ELF kernel that wants the firmware's place is refused", () => {
    const kernel = elfFile({ entry: 0x8000_1000n, segments: [{ vaddr: 0x8000_1000n, contents: new Uint8Array(8) }] });
    expect(() => plan({ kind: "firmware", firmware, kernel, commandLine: "" })).toThrow(
      "kernel: its place 0x80001000..0x80001007 overlaps the firmware's, 0x80000000..0x8001869f",
    );
  });
});

describe("boot: bare", () => {
  test("an ELF starts at its entry in M-mode on every hart, and tohost is found", () => {
    const program = elfFile({
      entry: 0x8000_0004n,
      segments: [{ vaddr: 0x8000_0000n, contents: new Uint8Array(8), memoryByteLength: 0x2000 }],
      symbols: { tohost: 0x8000_1000n, fromhost: 0x8000_1040n },
    });
    const boot = plan({ kind: "bare", program }, 128, 2);
    expect(boot.harts.map(({ hart, pc, privilege }) => [hart, pc, privilege])).toEqual([
      [0, 0x8000_0004n, 3],
      [1, 0x8000_0004n, 3],
    ]);
    expect(boot.htif).toEqual({ tohost: 0x8000_1000, fromhost: 0x8000_1040 });
  });

  test("a position-independent ELF that is linked at 0 runs at 0x80000000, with its symbols", () => {
    const program = elfFile({
      type: 3,
      entry: 4n,
      segments: [
        { vaddr: 0n, contents: new Uint8Array(8) },
        { vaddr: 0x4_0000n, contents: Uint8Array.of(7), memoryByteLength: 0x2000 },
      ],
      symbols: { tohost: 0x4_1000n },
    });
    const boot = plan({ kind: "bare", program });
    expect(boot.harts[0]!.pc).toBe(0x8000_0004n);
    expect(loadAt(boot, 0x8004_0000)).toEqual(Uint8Array.of(7));
    expect(boot.htif).toEqual({ tohost: 0x8004_1000, fromhost: null });
  });

  test("a position-independent ELF that is linked into memory stays there", () => {
    const segments = [{ vaddr: 0x8001_0000n, contents: new Uint8Array(8) }];
    const program = elfFile({ type: 3, entry: 0x8001_0000n, segments });
    expect(plan({ kind: "bare", program }).harts[0]!.pc).toBe(0x8001_0000n);
  });

  test("a flat binary starts at 0x80000000 without HTIF", () => {
    const boot = plan({ kind: "bare", program: Uint8Array.of(0x6f, 0, 0, 0) });
    expect(boot.harts[0]!.pc).toBe(0x8000_0000n);
    expect(boot.htif).toBeNull();
  });

  test("in a small memory the device tree goes to its end", () => {
    const boot = plan({ kind: "bare", program: new Uint8Array(MIB) }, 2);
    expect(boot.deviceTree).toBeGreaterThan(RAM + MIB);
    expect(isDeviceTree(loadAt(boot, boot.deviceTree))).toBe(true);
  });

  test("a tohost that is not memory is refused", () => {
    const program = elfFile({
      entry: 0x8000_0000n,
      segments: [{ vaddr: 0x8000_0000n, contents: new Uint8Array(8) }],
      symbols: { tohost: 0x1000n },
    });
    expect(() => plan({ kind: "bare", program })).toThrow("program: symbol tohost at 0x1000 is outside memory");
  });
});
