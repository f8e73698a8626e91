import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseStanzas } from "../../host/platform/node/images/deb822.js";
import { chooseMirror, INDEX_TARGETS } from "../../host/platform/node/images/debian-mirror.js";
import { hasApt } from "./requirements.js";

const target = (repoUri: string, release: string, component = "main"): string =>
  `MetaKey: ${component}/binary-amd64/Packages\nRepo-URI: ${repoUri}\nRelease: ${release}\nComponent: ${component}\n`;

test("deb822: names are read in any case, continuation lines belong to their field, comments to none", () => {
  const text = "Package: a\nDepends: b,\n c\n# comment\n\n\npackage: d\nEmpty:\n";
  expect(parseStanzas(text).map((stanza) => Object.fromEntries(stanza))).toEqual([
    { package: "a", depends: "b, c" },
    { package: "d", empty: "" },
  ]);
});

test("mirror: it is that of the first source with a main release of Debian", () => {
  const targets = [
    target("https://vendor.example/apt/", "stable-vendor"),
    target("http://security.example/debian-security/", "bookworm-security"),
    target("http://extra.example/debian/", "bookworm", "contrib"),
    target("http://mirror.example/debian/", "bookworm"),
    target("http://other.example/debian/", "trixie"),
  ].join("\n");
  expect(chooseMirror(undefined, targets)).toBe("http://mirror.example/debian/");
  expect(chooseMirror("", targets)).toBe("http://mirror.example/debian/");
});

test("mirror: other distributions, media and no sources at all lead to the variable that names one", () => {
  for (const targets of [
    "",
    target("http://mirror.example/ubuntu/", "noble"),
    target("cdrom:[Debian 13]/", "trixie"),
  ]) {
    expect(() => chooseMirror(undefined, targets)).toThrow(
      "this machine's apt knows no mirror of Debian's main archive: set VIV_DEBIAN_MIRROR to the address of one",
    );
  }
});

test("mirror: the variable has precedence, and must be an address", () => {
  const targets = target("http://mirror.example/debian/", "bookworm");
  expect(chooseMirror("https://own.example/debian", targets)).toBe("https://own.example/debian");
  for (const wrong of ["own.example", "http://x.example/ trixie main", "http://x/\ndeb [trusted=yes] http://y/"]) {
    expect(() => chooseMirror(wrong, targets)).toThrow(/^VIV_DEBIAN_MIRROR: expected the address of a Debian mirror/);
  }
});

/** What this machine's apt makes of a file of sources, through the same command that the image builder uses. */
async function indexTargetsOf(name: string, content: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "vivarium-apt-"));
  try {
    await writeFile(join(directory, name), content);
    const args = [...INDEX_TARGETS, "-o", "Dir::Etc::sourcelist=/dev/null", "-o", `Dir::Etc::sourceparts=${directory}`];
    const { stdout, stderr } = spawnSync("apt-get", args, { encoding: "utf8" });
    expect(stderr).toBe("");
    return stdout;
  } finally {
    await rm(directory, { recursive: true });
  }
}

// The formats are apt's to read; these two tests need its program.
test.skipIf(!hasApt)("mirror: apt's one-line format, disabled lines and options included", async () => {
  const list = `# deb http://old.example/debian bookworm main
deb [arch=amd64] http://vendor.example/debian-vendor stable-vendor main
deb http://security.example/debian-security bookworm-security main
deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian bookworm main contrib
`;
  expect(chooseMirror(undefined, await indexTargetsOf("a.list", list))).toBe("http://mirror.example/debian/");
});

test.skipIf(!hasApt)("mirror: apt's deb822 format, disabled entries included", async () => {
  const sources = `Enabled: no
Types: deb
URIs: http://old.example/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://security.example/debian-security
Suites: trixie-security
Components: main

# a comment
Types: deb deb-src
URIs: http://mirror.example/debian http://second.example/debian
Suites: trixie
 trixie-updates
Components: main
`;
  expect(chooseMirror(undefined, await indexTargetsOf("a.sources", sources))).toBe("http://mirror.example/debian/");
});
