import { execFile, execFileSync } from "node:child_process";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { instructionTable } from "../../assembly/isa/table.js";
import { RAM_BYTE_LENGTH } from "./layout.js";

const COMMAND = "qemu-system-riscv64";

/** Extensions of the table that every CPU of QEMU's has. */
const BASE: ReadonlySet<string> = new Set(["I", "M", "A", "F", "D", "Zicsr", "Zifencei", "Privileged"]).add(
  // Hints: without the extension they do nothing as well.
  "Zicbop",
);

/** What our hart has beyond the table's extensions. */
const ALSO_ON = ["sstc", "svinval", "svnapot", "svadu"];
/** What QEMU's usual CPU has, or has in some versions, and our hart has not, unless the table says so. */
const OFF = ["h", "v", "svpbmt", "sscofpmf", "smepmp", "zawrs", "zacas", "zcb", "zfa", "zfh", "zfhmin"].concat([
  "zbc",
  "zihintntl",
  "zimop",
  "zcmop",
]);

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
    const help = output(["-machine", "virt", "-device", "rv64-riscv-cpu,help"]);
    // Some versions write `Zihintpause`, others `zihintpause`.
    const property = (extension: string) => new RegExp(`^ *(${extension})=<bool>`, "im").exec(help)?.[1];
    const extensions = [...new Set(instructionTable.map((row) => row.extension))].filter((name) => !BASE.has(name));
    const present = extensions.flatMap((name) => property(name) ?? []);
    const on = [...present, ...ALSO_ON.flatMap((name) => property(name) ?? [])];
    const off = OFF.flatMap((name) => property(name) ?? []).filter((name) => !on.includes(name));
    return {
      version,
      missing: new Set(extensions.filter((name) => property(name) === undefined)),
      cpu: [
        "rv64",
        "pmu-num=29",
        "marchid=0",
        "mimpid=0",
        ...on.map((name) => `${name}=on`),
        ...off.map((name) => `${name}=off`),
      ].join(","),
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function output(args: readonly string[]): string {
  return execFileSync(COMMAND, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
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
