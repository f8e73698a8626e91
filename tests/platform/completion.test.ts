/** What shells complete, and that they do it as our scripts tell them. */
import { execFile, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ARGUMENT_VALUES, OPTION_VALUES, type Place } from "../../host/control/cli/completion.js";
import { readCommandLine } from "../../host/platform/node/command-line.js";
import { answerCompletion } from "../../host/platform/node/completion.js";
import { VIV } from "./viv-process.js";

function placeAfter(...words: readonly string[]): Place {
  const request = readCommandLine(["complete", "--", ...words]);
  if (request.kind !== "completion") throw new Error(`expected a completion, got ${request.kind}`);
  return request.completion.place;
}

function wordsAfter(...words: readonly string[]): readonly string[] {
  const place = placeAfter(...words);
  return place.kind === "words" ? place.words.map(({ word }) => word) : [place.kind];
}

function helpOf(path: string): string {
  const request = readCommandLine([...path.split(" "), "--help"]);
  return request.kind === "text" ? request.text : "";
}

test("completion: the first word is a command, the next one of a command that has others is one of these", () => {
  expect(wordsAfter("")).toEqual(expect.arrayContaining(["run", "open", "serve", "completion", "help"]));
  expect(wordsAfter("")).not.toContain("complete");
  expect(wordsAfter("image", "")).toEqual(["ls", "build", "rm", "import"]);
  expect(wordsAfter("help", "")).toContain("run");
});

test("completion: what begins with - is an option of the command, but not behind --", () => {
  expect(wordsAfter("run", "--h")).toEqual(expect.arrayContaining(["--harts", "--help", "-h"]));
  expect(wordsAfter("run", "--drive", "x", "--")).toContain("--memory");
  expect(wordsAfter("exec", "web", "--", "-")).toEqual(["nothing"]);
});

test.each([
  [["run", ""], "images"],
  [["run", "--harts", "2", ""], "images"],
  [["run", "--drive", ""], "files"],
  [["run", "--share", ""], "directories"],
  [["run", "--memory", ""], "nothing"],
  [["create", "--image", ""], "images"],
  [["open", ""], "files"],
  [["fork", ""], "machines-or-files"],
  [["fork", "web", ""], "nothing"],
  [["stop", ""], "machines"],
  [["stop", "web", ""], "machines"],
  [["image", "import", "mine", ""], "directories"],
  [["image", "rm", ""], "built-images"],
  [["set", "web", "--pool", ""], "pools"],
  [["nonsense", ""], "nothing"],
] as const)("completion: %j is completed by %s", (words, kind) => {
  expect(placeAfter(...words).kind).toBe(kind);
});

test("completion: values that are few are words, and snapshots are those of the machine that was named", () => {
  expect(wordsAfter("run", "--clock", "")).toEqual(["host", "virtual"]);
  expect(wordsAfter("completion", "")).toEqual(["bash", "zsh", "fish"]);
  for (const words of [
    ["restore", "lab.viv", ""],
    ["replay", "lab.viv", "--from", ""],
    ["snapshot", "lab.viv", "--delete", "a", ""],
    ["snapshot", "lab.viv", "--delete", "a", "b"],
  ]) {
    expect(placeAfter(...words)).toEqual({ kind: "snapshots", machine: "lab.viv" });
  }
  expect(placeAfter("replay", "--from", "").kind).toBe("nothing");
});

test("completion: every command, argument and option whose values are known is there", () => {
  for (const key of Object.keys(ARGUMENT_VALUES)) {
    const words = key.split(" ");
    const argument = words.pop()!;
    expect(helpOf(words.join(" ")), key).toMatch(
      new RegExp(`Usage: viv ${words.join(" ")} .*[<[]${argument}(\\.\\.\\.)?[>\\]]`),
    );
  }
  const all = wordsAfter("").filter((command) => command !== "help");
  const nested = ["image", "pool", "token"].flatMap((name) => wordsAfter(name, "").map((word) => `${name} ${word}`));
  const help = [...all, ...nested].map(helpOf).join("\n");
  for (const option of Object.keys(OPTION_VALUES)) expect(help).toMatch(new RegExp(` ${option} <`));
});

test("completion: a word that a shell would take for more than a word is not offered", async () => {
  const words = ["plain-1.0", "$(reboot)", "a b", "x;y", "`id`", "'"].map((word) => ({ word, description: "" }));
  expect(await answerCompletion({ place: { kind: "words", words }, prefix: "" })).toBe("words\nplain-1.0\t\n");
});

test("completion: what cannot be known is left out in silence", async () => {
  const machine = "/nowhere/lab.viv";
  expect(await answerCompletion({ place: { kind: "snapshots", machine }, prefix: "" })).toBe("words\n");
});

describe("in a shell", () => {
  let directory: string;
  let env: NodeJS.ProcessEnv;
  const run = promisify(execFile);
  const has = (shell: string) => spawnSync(shell, ["--version"], { stdio: "ignore" }).status === 0;
  const isCi = process.env.CI === "true";

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "viv-completion-"));
    writeFileSync(join(directory, "viv"), `#!/bin/sh\nexec '${process.execPath}' '${VIV}' "$@"\n`);
    chmodSync(join(directory, "viv"), 0o755);
    writeFileSync(join(directory, "alpha.viv"), "");
    env = { ...process.env, PATH: `${directory}:${process.env.PATH}`, HOME: directory, VIV_DATA_DIR: directory };
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  test("bash completes commands, options, values and files", async () => {
    const script = `source <(viv completion bash)
      for line in 'viv open' 'viv run --cloc' 'viv run --clock v' 'viv open al' 'viv run --share ./a:/mnt --cold --har'; do
        COMP_LINE=$line COMP_POINT=\${#line}
        read -ra COMP_WORDS <<< "$line"
        COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
        _viv viv
        echo "\${COMPREPLY[*]}"
      done
      complete -p viv`;
    const { stdout } = await run("bash", ["--norc", "-c", script], { env, cwd: directory });
    expect(stdout.split("\n")).toEqual([
      "open",
      "--clock",
      "virtual",
      "alpha.viv",
      "--harts",
      "complete -F _viv viv",
      "",
    ]);
  });

  // Debian's package fish.
  test.skipIf(!has("fish") && !isCi)("fish completes commands with what they do, values and files", async () => {
    const lines = ["viv open", "viv run --clock v", "viv open al"];
    const script = `viv completion fish | source; ${lines.map((line) => `complete -C "${line}"`).join("; echo; ")}`;
    const { stdout } = await run("fish", ["--no-config", "-c", script], { env, cwd: directory });
    expect(stdout).toMatch(/^open\tgo on with a machine from its file\n\nvirtual\n\nalpha\.viv\n$/);
  });

  // Debian's package zsh.
  test.skipIf(!has("zsh") && !isCi)("zsh understands its script, and asks for what it needs", async () => {
    // What completion widgets are given stands in for zsh's own, which needs a terminal.
    const script = `compdef() { print "defined $*" }
      _describe() { print -l -- "\${(@P)4}" }
      _files() { print "files $*" }
      source <(viv completion zsh)
      words=(viv open) CURRENT=2; _viv
      words=(viv run --clock v) CURRENT=4; _viv
      words=(viv open al) CURRENT=3; _viv
      words=(viv run --share '') CURRENT=4; _viv`;
    const { stdout } = await run("zsh", ["-f", "-c", script], { env, cwd: directory });
    const lines = ["defined _viv viv", "open:go on with a machine from its file", "virtual:", "files ", "files -/", ""];
    expect(stdout.split("\n")).toEqual(lines);
  });
});
