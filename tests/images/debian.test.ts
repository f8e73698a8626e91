import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readImageBuild } from "../../host/control/image-options.js";
import { writeAr } from "../../host/images/ar.js";
import { commandLineFor } from "../../host/images/command-line.js";
import { debianFiles } from "../../host/images/debian.js";
import { BOOT_INIT, INSTALL_INIT } from "../../host/images/debian-scripts.js";
import { VivariumError } from "../../host/util/errors.js";

const directory = mkdtempSync(join(tmpdir(), "viv-debian-"));
afterAll(() => rmSync(directory, { recursive: true }));

const hasDpkg = spawnSync("dpkg-deb", ["--version"]).status === 0;
const hasTar = spawnSync("tar", ["--version"]).status === 0;

describe("ar", () => {
  test.runIf(hasDpkg && hasTar)("a package written anew, without compression, is one to dpkg-deb", () => {
    const tree = join(directory, "hello");
    writeFileSync(tree, "hello\n");
    writeFileSync(
      join(directory, "control"),
      "Package: p\nVersion: 1\nArchitecture: all\nMaintainer: m\nDescription: d\n",
    );
    const tar = (name: string) => spawnSync("tar", ["-c", "-C", directory, `./${name}`]).stdout;
    const file = join(directory, "p.deb");
    // A member of odd length is followed by a byte that belongs to none.
    writeFileSync(
      file,
      writeAr([
        { name: "debian-binary", content: Buffer.from("2.0\n") },
        { name: "control.tar", content: tar("control") },
        { name: "data.tar", content: tar("hello") },
      ]),
    );
    expect(spawnSync("dpkg-deb", ["--field", file, "Package"], { encoding: "utf8" }).stdout).toBe("p\n");
    expect(spawnSync("dpkg-deb", ["--contents", file], { encoding: "utf8" }).stdout).toMatch(/ 6 .*\.\/hello$/m);
  });

  test("members of odd lengths stand at even offsets: ar(5)", () => {
    const archive = writeAr([
      { name: "a", content: Uint8Array.of(1, 2, 3) },
      { name: "b", content: Uint8Array.of(4) },
    ]);
    expect(archive.length).toBe(8 + 60 + 4 + 60 + 2);
    expect(Buffer.from(archive).subarray(72, 88).toString()).toBe("b".padEnd(16));
    expect(archive[8 + 60 + 3]).toBe(0x0a);
  });
});

describe("debian", () => {
  test.each([
    ["installs it", INSTALL_INIT],
    ["starts it", BOOT_INIT],
  ])("the script that %s is one to a shell", (_what, script) => {
    const { status, stderr } = spawnSync("sh", ["-n"], { input: script, encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
  });

  test("its files stand behind the directories they are in", () => {
    const seen = new Set([""]);
    for (const entry of debianFiles("http://HOST/debian", "trixie")) {
      const parent = entry.path.split("/").slice(0, -1).join("/");
      expect(seen, entry.path).toContain(parent);
      if (entry.kind === "directory") seen.add(entry.path);
    }
  });

  /** What the guest's apt is told to fetch from. */
  const sources = (mirror: string): string => {
    const entry = debianFiles(mirror, "trixie").find(({ path }) => path.endsWith("debian.sources"));
    return entry?.kind === "file" ? Buffer.from(entry.content).toString() : "";
  };

  test("its apt fetches from Debian's archive, updates and security updates included", () => {
    const stanzas = sources("http://deb.debian.org/debian").split("\n\n");
    expect(stanzas.map((stanza) => /^URIs: (.*)\nSuites: (.*)$/m.exec(stanza)?.slice(1))).toEqual([
      ["http://deb.debian.org/debian", "trixie trixie-updates"],
      ["http://deb.debian.org/debian-security", "trixie-security"],
    ]);
  });

  test.each(["file:/srv/debian", "http://localhost:3142/debian", "http://127.0.0.1/debian", "copy:/mnt"])(
    "its apt does not look for %s, which only the host has",
    (mirror) => expect(sources(mirror)).toBe(sources("http://deb.debian.org/debian")),
  );

  test("its apt fetches from the mirror that the host uses, which may be the only one in reach", () => {
    expect(sources("https://HOST/debian/")).toContain("URIs: https://HOST/debian\nSuites: trixie trixie-updates\n");
    expect(sources("https://HOST/debian/")).not.toContain("security");
  });

  test("its getty learns size and kind of the terminal by systemd's own words", () => {
    const mode = { kind: "interactive", columns: 100, rows: 30, terminal: "xterm" } as const;
    expect(commandLineFor("quiet", mode, "systemd")).toBe(
      "quiet systemd.tty.columns.ttyS0=100 systemd.tty.rows.ttyS0=30 systemd.tty.term.ttyS0=xterm",
    );
    expect(commandLineFor("quiet", { kind: "interactive", terminal: "a b" }, "systemd")).toBe("quiet");
  });
});

describe("viv image build", () => {
  test("takes a length for the disk", () => {
    expect(readImageBuild("debian", {})).toEqual({ action: "image-build", name: "debian", force: false });
    expect(readImageBuild("debian", { size: "8GiB", force: true })).toEqual({
      action: "image-build",
      name: "debian",
      diskByteLength: 8 * 2 ** 30,
      force: true,
    });
  });

  test.each(["", "8", "512MiB", "17000GiB", "1048577KiB", "lots"])("refuses %j in one line", (size) => {
    expect(() => readImageBuild("debian", { size })).toThrow(
      new VivariumError(
        "option/invalid",
        `--size: ${JSON.stringify(size)} is no length of a disk; expected 1GiB to 16TiB in whole MiB, such as 8GiB`,
      ),
    );
  });
});
