/** Layers: what each part may import. A new folder needs a row here, which is where its place is decided. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** The folders whose files asc compiles; isa/ is run by Node, shared/ is both. */
const COMPILED = ["debug", "float", "generated", "hart", "interpreter", "jit", "mmu", "semantics", "shared"].map(
  (f) => `assembly/${f}`,
);
/** What of assembly/ the host may know: the tables, and what is written in the portable subset. */
const PORTABLE = ["assembly/shared", "assembly/isa", "assembly/generated"];

/** The host's layers up to snapshot, but firmware, which is the machine's alone. */
const TO_SNAPSHOT = [
  "host/util",
  "host/core",
  "host/storage",
  "host/network",
  "host/share",
  "host/devices",
  "host/guest-agent",
  "host/images",
  "host/machine",
  "host/snapshot",
];

/**
 * Folder -> folders it may import besides itself. The layers of the host, from the bottom up; packages and node: modules
 * are in PACKAGES.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "assembly/shared": [],
  "assembly/isa": ["assembly/shared"],
  "assembly/float": [],
  "assembly/debug": [...COMPILED],
  "assembly/generated": [...COMPILED],
  "assembly/semantics": [...COMPILED],
  "assembly/interpreter": [...COMPILED],
  "assembly/hart": [...COMPILED],
  "assembly/jit": [...COMPILED],
  "assembly/mmu": [...COMPILED, "assembly/host.ts"],
  "assembly/host.ts": [...COMPILED],
  "assembly/index.ts": [...COMPILED],

  "host/util": [],
  "host/core": ["host/util", ...PORTABLE],
  "host/storage": ["host/util"],
  "host/network": ["host/util"],
  "host/share": ["host/util"],
  // Not core: devices declare the guest RAM they need.
  "host/devices": ["host/util", "host/storage", "host/network", "host/share"],
  "host/firmware": ["host/util", "host/devices"],
  "host/guest-agent": ["host/util", "assembly/isa"],
  "host/images": ["host/util", "host/guest-agent"],
  "host/machine": [
    "host/util",
    "host/core",
    "host/storage",
    "host/network",
    "host/share",
    "host/devices",
    "host/firmware",
    "assembly/shared",
  ],
  "host/snapshot": ["host/util", "host/storage", "host/machine"],
  "host/control": [...TO_SNAPSHOT, "assembly/shared", "assembly/isa"],
  "host/api": [...TO_SNAPSHOT, "host/control", "assembly/shared"],
  "host/hypervisor": [...TO_SNAPSHOT, "host/control", "host/api", "assembly/shared"],
  // What programs see. It has its platform from package.json's "#platform".
  "host/index.ts": [...TO_SNAPSHOT, "host/control", "host/api", "host/hypervisor"],
  "host/platform": [...TO_SNAPSHOT, "host/control", "host/api", "host/hypervisor", "assembly/shared"],
};

/** Packages and node: modules a folder may import; the rest none. */
const PACKAGES: readonly { readonly files: RegExp; readonly packages: RegExp }[] = [
  { files: /^assembly\/isa\/generate-main\.ts$/, packages: /^node:fs$/ },
  { files: /^host\/core\/exports\.ts$/, packages: /^@assemblyscript\/loader$/ },
  { files: /^host\/storage\/qcow2\/zstd\.ts$/, packages: /^fzstd$/ },
  { files: /^host\/platform\/node\//, packages: /^(node:.+|commander|ws)$/ },
  { files: /^host\/control\/hypervisor\//, packages: /^typebox$/ },
  {
    files: /^host\/platform\/node\/serve\//,
    packages: /^(fastify|@fastify\/.+|typebox(\/.+)?|prom-client|@opentelemetry\/.+)$/,
  },
  { files: /^host\/index\.ts$/, packages: /^#platform$/ },
  {
    files: /^host\/platform\/browser\/(kept-file|memory-file|sqlite)\.ts$/,
    packages: /^@sqlite\.org\/sqlite-wasm$/,
  },
  { files: /^host\/platform\/node\/machine-file\/sqlite\.ts$/, packages: /^@sqlite\.org\/sqlite-wasm$/ },
];

interface Import {
  readonly file: string;
  /** As written. */
  readonly specifier: string;
  /** Path from the root, for a relative one. */
  readonly target: string | undefined;
}

function sourceFiles(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return sourceFiles(path);
    return entry.name.endsWith(".ts") ? [path] : [];
  });
}

function importsOf(file: string): Import[] {
  // Text of generated files stands in template literals.
  const text = readFileSync(join(ROOT, file), "utf8").replace(/`(?:\\.|[^`\\])*`/gs, "``");
  const statements = text.matchAll(
    /^(?:import|export)\b[^;"]*?\bfrom\s+"([^"]+)"|\bimport\(\s*"([^"]+)"|^import\s+"([^"]+)"/gm,
  );
  return [...statements].map(([, from, dynamic, bare]) => {
    const specifier = (from ?? dynamic ?? bare)!;
    const target = specifier.startsWith(".") ? relative(ROOT, join(ROOT, dirname(file), specifier)) : undefined;
    return { file, specifier, target };
  });
}

/** The row of MAY_IMPORT that a path belongs to: its two upper folders, or a file of assembly/ itself. */
function partOf(path: string): string {
  const part = path.split("/").slice(0, 2).join("/");
  return part === "assembly/host" || part === "assembly/index" ? `${part}.ts` : part;
}

const sources = [...sourceFiles("assembly"), ...sourceFiles("host")];
const imports = sources.flatMap(importsOf);

describe("the architecture", () => {
  it("has a rule for every folder", () => {
    const parts = [...new Set(sources.map(partOf))];
    expect(parts.filter((part) => !(part in MAY_IMPORT))).toEqual([]);
  });

  it("is seen by this test: imports are found in every layer", () => {
    const seen = new Set(imports.map(({ file }) => partOf(file)));
    for (const part of Object.keys(MAY_IMPORT).filter((p) => p !== "assembly/shared")) expect(seen).toContain(part);
  });

  it("lets imports go one way", () => {
    const wrong = imports.filter(({ file, target }) => {
      if (target === undefined) return false;
      const [from, to] = [partOf(file), partOf(target)];
      return from !== to && !MAY_IMPORT[from]?.includes(to);
    });
    expect(wrong.map(({ file, specifier }) => `${file} imports ${specifier}`)).toEqual([]);
  });

  it("has no cycle among the layers of the host", () => {
    const layers = Object.keys(MAY_IMPORT).filter((part) => part.startsWith("host/"));
    const reaches = (from: string, to: string): boolean =>
      MAY_IMPORT[from]!.some((next) => next === to || (next.startsWith("host/") && reaches(next, to)));
    expect(layers.filter((layer) => reaches(layer, layer))).toEqual([]);
  });

  it("keeps what asc compiles within assembly/, and away from the tables, which only Node runs", () => {
    const compiled = imports.filter(({ file }) => file.startsWith("assembly/") && !file.startsWith("assembly/isa/"));
    const wrong = compiled.filter(
      ({ target }) => !target?.startsWith("assembly/") || target.startsWith("assembly/isa/"),
    );
    expect(wrong.map(({ file, specifier }) => `${file} imports ${specifier}`)).toEqual([]);
  });

  it("keeps Node and packages to the few places that may use them", () => {
    const wrong = imports.filter(({ file, specifier, target }) => {
      if (target !== undefined) return false;
      return !PACKAGES.some(({ files, packages }) => files.test(file) && packages.test(specifier));
    });
    expect(wrong.map(({ file, specifier }) => `${file} imports ${specifier}`)).toEqual([]);
  });

  it("compiles the host with neither Node's nor a browser's globals", () => {
    const config = JSON.parse(readFileSync(join(ROOT, "host/tsconfig.json"), "utf8"));
    const base = JSON.parse(readFileSync(join(ROOT, "tsconfig.base.json"), "utf8"));
    expect(config.compilerOptions.lib).toEqual(["es2022"]);
    expect(config.compilerOptions.types ?? base.compilerOptions.types).toEqual([]);
  });
});
