import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readImageBuild } from "../../host/control/image-options.js";
import { writeAr } from "../../host/images/ar.js";
import { commandLineFor } from "../../host/images/command-line.js";
import { APT_SETUP, debianFiles } from "../../host/images/debian.js";
import { SERVE_HOST } from "../../host/images/debian-host-service.js";
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
    ["obeys its host", SERVE_HOST],
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

  describe("its apt", () => {
    const stanza = (uri: string, suites: string): string =>
      `Types: deb\nURIs: ${uri}\nSuites: ${suites}\nComponents: main\nSigned-By: /usr/share/keyrings/KEYRING\n`;
    const EXAMPLE = `
## As apt brings it, but for the host's name.
${stanza("http://PUBLIC/debian", "trixie trixie-updates").replace("main", "main contrib")}
${stanza("http://PUBLIC/debian-security", "trixie-security").replace("main", "main contrib")}`;

    /** What it fetches from after the last step of the installation: address and suites. */
    const sources = (mirror: string): unknown => {
      const root = mkdtempSync(join(tmpdir(), "viv-apt-"));
      const within = (path: string): string => join(root, path);
      try {
        mkdirSync(within("etc/apt/sources.list.d"), { recursive: true });
        mkdirSync(within("usr/share/doc/apt/examples"), { recursive: true });
        writeFileSync(within("usr/share/doc/apt/examples/debian.sources"), EXAMPLE);
        const given = debianFiles(mirror, "trixie").find(({ path }) => path.endsWith("debian.sources"));
        if (given?.kind === "file") writeFileSync(within(given.path), given.content);
        execFileSync("sh", ["-e", "-c", APT_SETUP.replaceAll(/=\/(?=usr|etc)/g, `=${root}/`)]);
        const text = readFileSync(within("etc/apt/sources.list.d/debian.sources"), "utf8");
        expect(text).not.toMatch(/contrib|^#/m);
        return [...text.matchAll(/^URIs: (.*)\nSuites: (.*)$/gm)].map(([, uri, suites]) => [uri, suites]);
      } finally {
        rmSync(root, { recursive: true });
      }
    };
    const everybodys = (scheme: string) => [
      [`${scheme}://PUBLIC/debian`, "trixie trixie-updates"],
      [`${scheme}://PUBLIC/debian-security`, "trixie-security"],
    ];

    test.each(["http", "https"])(
      "fetches by %s from everybody's archive, updates and security updates included",
      (scheme) => {
        expect(sources(`${scheme}://PUBLIC/debian/`)).toEqual(everybodys(scheme));
      },
    );

    test.each(["file:/srv/debian", "http://localhost:3142/debian", "http://127.0.0.1/debian", "copy:/mnt"])(
      "does not look for %s, which only the host has",
      (mirror) => expect(sources(mirror)).toEqual(everybodys("http")),
    );

    test("fetches from the mirror that the host uses, which may be the only one in reach", () => {
      expect(sources("https://HOST/debian/")).toEqual([["https://HOST/debian", "trixie trixie-updates"]]);
    });
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
