import { execFile, execFileSync } from "node:child_process";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { instructionTable } from "../../assembly/isa/table.js";
import { RAM_BYTE_LENGTH } from "./layout.js";

/** VIV_QEMU names another one, to compare with other versions. */
const COMMAND = process.env.VIV_QEMU ?? "qemu-system-riscv64";

/** Extensions of the table that every CPU of QEMU's has. */
const BASE: ReadonlySet<string> = new Set(["I", "M", "A", "F", "D", "Zicsr", "Zifencei", "Privileged"]).add(
  // Hints: without the extension they do nothing as well.
  "Zicbop",
);

/** What our hart has beyond the table's extensions. */
const ALSO_ON = ["sstc", "svinval", "svnapot", "svadu"];
/** What QEMU's usual CPU has, or has in some versions, and our hart has not, unless the table says so. */
const OFF = ["debug", "h", "v", "svpbmt", "sscofpmf", "smepmp", "zawrs", "zacas", "zcb", "zfa", "zfh", "zfhmin"].concat(
  ["zbc", "zihintntl", "zimop", "zcmop"],
);

/** All 29 counters there may be, and no numbers in registers where ours says 0. */
const VALUES = ["pmu-num=29", "marchid=0", "mimpid=0"];

export interface Qemu {
  readonly version: string;
  /** Extensions of the instruction table that it does not implement. */
  readonly missing: ReadonlySet<string>;
  readonly cpu: string;
}

/** @returns undefined when QEMU is not installed */
export function findQemu(): Qemu | undefined {
  try {
    const version = /version (\S+)/.exec(output(["--version"]))?.[1] ?? "unknown";
    const known = cpuProperties();
    // Some versions write `Zihintpause`, some `zihintpause`, some both, of which the former is going to be dropped.
    const property = (extension: string) =>
      known.find((name) => name === extension.toLowerCase()) ?? known.find((name) => name === extension);
    const extensions = [...new Set(instructionTable.map((row) => row.extension))].filter((name) => !BASE.has(name));
    const on = [...extensions, ...ALSO_ON].flatMap((name) => property(name) ?? []);
    const off = OFF.flatMap((name) => property(name) ?? []).filter((name) => !on.includes(name));
    const values = VALUES.filter((assignment) => known.includes(assignment.split("=")[0]!));
    return {
      version,
      missing: new Set(extensions.filter((name) => property(name) === undefined)),
      cpu: ["rv64", ...values, ...on.map((name) => `${name}=on`), ...off.map((name) => `${name}=off`)].join(","),
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** What can be set of a CPU. */
function cpuProperties(): string[] {
  const requests = [
    { execute: "qmp_capabilities" },
    { execute: "qom-list-properties", arguments: { typename: "rv64-riscv-cpu" } },
    { execute: "quit" },
  ];
  const input = requests.map((request) => JSON.stringify(request)).join("\n");
  const answers = output(["-machine", "none", "-display", "none", "-qmp", "stdio"], input).trim().split("\n");
  const lists = answers.map((line) => (JSON.parse(line) as { return?: unknown }).return).filter(Array.isArray);
  return (lists[0] as readonly { readonly name: string }[]).map(({ name }) => name);
}

function output(args: readonly string[], input = ""): string {
  return execFileSync(COMMAND, args, { input, encoding: "utf8", stdio: "pipe" });
}

/**
 * Runs an image in QEMU until it powers off.
 *
 * @returns RAM afterwards. It is a file that QEMU maps, which is both how the image comes in and how it comes out
 * @throws Error when QEMU fails or runs longer than `timeoutMs`
 */
export async function runInQemu(qemu: Qemu, image: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
  const directory = await mkdtemp(join(tmpdir(), "vivarium-differential-"));
  try {
    const ram = join(directory, "ram");
    const file = await open(ram, "w");
    await file.write(image);
    await file.truncate(RAM_BYTE_LENGTH);
    await file.close();
    const memory = `memory-backend-file,id=ram,mem-path=${ram},size=${RAM_BYTE_LENGTH},share=on`;
    const machine = [
      "-machine",
      "virt,memory-backend=ram",
      "-cpu",
      qemu.cpu,
      "-m",
      `${RAM_BYTE_LENGTH >> 20}M`,
      "-smp",
      "1,maxcpus=2",
    ];
    const nothingElse = ["-bios", "none", "-display", "none", "-serial", "none", "-monitor", "none", "-net", "none"];
    await promisify(execFile)(COMMAND, ["-object", memory, ...machine, ...nothingElse], { timeout: timeoutMs });
    return await readFile(ram);
  } finally {
    await rm(directory, { recursive: true });
  }
}
