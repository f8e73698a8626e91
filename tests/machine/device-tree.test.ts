import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type DeviceTreeOptions, virtDeviceTree } from "../../host/machine/device-tree.js";
import { cell64, cells, EMPTY, type FdtNode, region, strings, writeFdt } from "../../host/machine/fdt.js";
import { VIRT_MEMORY_MAP } from "../../host/machine/memory-map.js";

const isDtcInstalled = spawnSync("dtc", ["--version"]).status === 0;
const isQemuInstalled = spawnSync("qemu-system-riscv64", ["--version"]).status === 0;

const options: DeviceTreeOptions = {
  memoryMap: VIRT_MEMORY_MAP,
  hartCount: 2,
  memoryByteLength: 0x2000_0000,
  commandLine: "console=ttyS0 é",
  initrd: { start: 0x8820_0000, end: 0x8830_0001 },
  seed: Uint8Array.from({ length: 40 }, (_, index) => index),
};

function dtc(format: string, input: Uint8Array): { output: string; warnings: string } {
  const run = spawnSync("dtc", ["-I", "dtb", "-O", format, "-"], { input });
  expect(run.status, run.stderr.toString()).toBe(0);
  return { output: run.stdout.toString(), warnings: run.stderr.toString() };
}

/** A node as the tests compare it: properties as hexadecimal, children by name. */
interface PlainNode {
  properties: Record<string, string>;
  children: Record<string, PlainNode>;
}

/** Reads a DTB by the specification's rules, apart from the writer under test. */
function readFdt(dtb: Uint8Array): PlainNode {
  const view = new DataView(dtb.buffer, dtb.byteOffset, dtb.byteLength);
  expect(view.getUint32(0)).toBe(0xd00dfeed);
  const structure = view.getUint32(8);
  const names = view.getUint32(12);
  const text = (offset: number): string => {
    const end = dtb.indexOf(0, offset);
    return Buffer.from(dtb.subarray(offset, end)).toString();
  };
  const aligned = (offset: number): number => (offset + 3) & ~3;
  const root: PlainNode = { properties: {}, children: {} };
  const path: PlainNode[] = [];
  for (let at = structure; ; ) {
    const token = view.getUint32(at);
    at += 4;
    if (token === 9) break;
    if (token === 1) {
      const name = text(at);
      at = aligned(at + Buffer.byteLength(name) + 1);
      const node = path.length === 0 ? root : { properties: {}, children: {} };
      if (path.length > 0) path.at(-1)!.children[name] = node;
      path.push(node);
    } else if (token === 2) path.pop();
    else if (token === 3) {
      const length = view.getUint32(at);
      const name = text(names + view.getUint32(at + 4));
      path.at(-1)!.properties[name] = Buffer.from(dtb.subarray(at + 8, at + 8 + length)).toString("hex");
      at = aligned(at + 8 + length);
    } else expect(token).toBe(4);
  }
  return root;
}

/** Every interrupt controller's path by phandle, so that trees with other phandles compare equal. */
function pathsByPhandle(root: PlainNode): Map<string, string> {
  const paths = new Map<string, string>();
  const visit = (node: PlainNode, path: string): void => {
    if (node.properties.phandle !== undefined) paths.set(node.properties.phandle, path);
    for (const [name, child] of Object.entries(node.children)) visit(child, `${path}/${name}`);
  };
  visit(root, "");
  return paths;
}

describe("fdt", () => {
  test("a tree is header, empty reservation block, structure and strings as the specification lays them out", () => {
    const tree: FdtNode = {
      properties: { a: cells(1, 0xffff_ffff), flag: EMPTY },
      children: { "b@1": { properties: { a: strings("x", "yz") } } },
    };
    const words = [
      ...[0xd00dfeed, 40 + 16 + 80 + 7, 56, 136, 40, 17, 16, 0, 7, 80],
      ...[0, 0, 0, 0],
      ...[1, 0], // root, name ""
      ...[3, 8, 0, 1, 0xffff_ffff],
      ...[3, 0, 2],
      ...[1, 0x62403100], // "b@1\0"
      ...[3, 5, 0, 0x7800797a, 0], // "x\0yz\0" and padding
      2,
      2,
      9,
    ];
    expect(Buffer.from(writeFdt(tree)).toString("hex")).toBe(
      Buffer.concat([Buffer.from(cells(...words)), Buffer.from("a\0flag\0")]).toString("hex"),
    );
  });

  test("64-bit numbers are two cells, the high one first", () => {
    expect(cell64(0x1_8000_0002)).toEqual(cells(1, 0x8000_0002));
    expect(region(0x8000_0000, 0x1_0000_0000)).toEqual(cells(0, 0x8000_0000, 1, 0));
  });
});

describe("device tree of the virt board", () => {
  const tree = readFdt(writeFdt(virtDeviceTree(options)));

  test.skipIf(!isDtcInstalled)("dtc (where it is installed) accepts it without a warning", () => {
    const { output, warnings } = dtc("dts", writeFdt(virtDeviceTree(options)));
    expect(warnings).toBe("");
    expect(output).toContain("linux,initrd-end = <0x00 0x88300001>;");
  });

  test("chosen carries the command line in UTF-8, the initrd's extent and the two seeds", () => {
    const { properties } = tree.children.chosen!;
    expect(properties.bootargs).toBe(Buffer.from("console=ttyS0 é\0").toString("hex"));
    expect(properties["linux,initrd-start"]).toBe("0000000088200000");
    expect(properties["linux,initrd-end"]).toBe("0000000088300001");
    expect(properties["rng-seed"]).toBe(Buffer.from(options.seed.subarray(0, 32)).toString("hex"));
    expect(properties["kaslr-seed"]).toBe("2021222324252627");
  });

  test("every hart has its own interrupt controller, and PLIC and CLINT name all of them in hart order", () => {
    const paths = pathsByPhandle(tree);
    const targets = (name: string): string[] => {
      const property = tree.children.soc!.children[name]!.properties["interrupts-extended"]!;
      const words = property.match(/.{8}/g)!;
      return words.flatMap((word, index) =>
        index % 2 === 0 ? [`${paths.get(word)} ${parseInt(words[index + 1]!, 16)}`] : [],
      );
    };
    const controller = (hart: number): string => `/cpus/cpu@${hart}/interrupt-controller`;
    expect(targets("clint@2000000")).toEqual(
      [0, 1].flatMap((hart) => [`${controller(hart)} 3`, `${controller(hart)} 7`]),
    );
    expect(targets("plic@c000000")).toEqual(
      [0, 1].flatMap((hart) => [`${controller(hart)} 11`, `${controller(hart)} 9`]),
    );
  });

  test("the ISA string and the extension list name the same extensions", () => {
    const { properties } = tree.children.cpus!.children["cpu@1"]!;
    const text = (hexadecimal: string): string => Buffer.from(hexadecimal, "hex").toString();
    expect(text(properties["riscv,isa"]!)).toBe(
      "rv64imafdc_zicbom_zicbop_zicboz_zicntr_zicond_zicsr_zifencei_zihintpause" +
        "_zba_zbb_zbc_zbkb_zbkx_zbs_sstc_svadu_svinval_svnapot\0",
    );
    const [letters, ...named] = text(properties["riscv,isa"]!).slice("rv64".length, -1).split("_");
    expect(text(properties["riscv,isa-extensions"]!)).toBe([...letters!, ...named, ""].join("\0"));
  });

  test.skipIf(!isQemuInstalled)(
    "QEMU's virt board (where QEMU is installed) has every device of ours, where ours is",
    () => {
      const folder = mkdtempSync(join(tmpdir(), "vivarium-"));
      try {
        const file = join(folder, "qemu.dtb");
        const machine = `virt,dumpdtb=${file}`;
        execFileSync("qemu-system-riscv64", ["-M", machine, "-m", "512", "-smp", "2", "-display", "none"], {
          stdio: "ignore",
        });
        const qemu = readFdt(readFileSync(file));
        const paths = { ours: pathsByPhandle(tree), qemu: pathsByPhandle(qemu) };
        for (const [name, node] of Object.entries(tree.children.soc!.children)) {
          const theirs = qemu.children.soc!.children[name];
          expect(theirs, name).toBeDefined();
          for (const property of ["compatible", "reg", "interrupts"]) {
            expect(node.properties[property], `${name}.${property}`).toBe(theirs!.properties[property]);
          }
          expect(resolve(node, paths.ours)).toEqual(resolve(theirs!, paths.qemu));
        }
        expect(tree.children["memory@80000000"]).toEqual(qemu.children["memory@80000000"]);
        for (const action of ["poweroff", "reboot"]) {
          const { regmap: _ours, ...ours } = tree.children[action]!.properties;
          const { regmap: _theirs, ...theirs } = qemu.children[action]!.properties;
          expect(ours).toEqual(theirs);
        }
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
});

function resolve(node: PlainNode, paths: Map<string, string>): Record<string, unknown> {
  const { "interrupt-parent": parent, "interrupts-extended": extended } = node.properties;
  return {
    parent: parent && paths.get(parent),
    extended: extended?.match(/.{16}/g)?.map((pair) => [paths.get(pair.slice(0, 8)), pair.slice(8)]),
  };
}
