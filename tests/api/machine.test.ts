/** The public API on the default image, as a program uses it: the machine is in a worker. */
import { createHash, randomBytes } from "node:crypto";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type GuestProcess, Machine } from "../../host/index.js";
import { hasApt } from "../images/requirements.js";
import { TEST_CACHE, testImage } from "../images/test-image.js";

const MIB = 1024 * 1024;

// Without apt there is nothing to build the image with.
describe.skipIf(!hasApt)("machine", () => {
  let machine: Machine;

  beforeAll(async () => {
    process.env.VIV_CACHE_DIR ??= TEST_CACHE;
    await testImage();
    machine = await Machine.create({ image: "debian-mini", memoryMiB: 256, harts: 1 });
  });
  afterAll(async () => {
    await machine?.close();
  });

  describe("exec", () => {
    test("gives outputs apart, and the status", async () => {
      const result = await machine.exec("uname -sm; echo complaint >&2; exit 7");
      expect(result).toMatchObject({ exitCode: 7, signal: null, stdout: "Linux riscv64\n", stderr: "complaint\n" });
    });

    test("runs a program with its arguments as they are, in a directory and an environment", async () => {
      const script = 'pwd; echo "$A|$HOME|$1"';
      const { stdout } = await machine.exec(["sh", "-c", script, "sh", "$x  'y'"], { cwd: "/tmp", env: { A: "ä b" } });
      expect(stdout).toBe("/tmp\nä b|/root|$x  'y'\n");
    });

    test("tells a signal from a status above 128", async () => {
      expect(await machine.exec("kill -SEGV $$")).toMatchObject({ exitCode: 139, signal: "SIGSEGV" });
      expect(await machine.exec("exit 139")).toMatchObject({ exitCode: 139, signal: null });
    });

    test.each([
      [["no-such-program"], "exec/not-found"],
      [["/tmp/not/there"], "exec/not-found"],
      [["/etc/passwd"], "exec/not-executable"],
      [[], "exec/arguments"],
      [["echo", "x".repeat(200_000)], "exec/arguments"],
    ])("rejects what cannot be started: %#", async (command, code) => {
      await expect(machine.exec(command)).rejects.toMatchObject({ name: "VivariumError", code });
    });

    test("rejects a working directory that is not there", async () => {
      const error = { code: "exec/directory", data: { errnoName: "ENOENT" } };
      await expect(machine.exec("true", { cwd: "/no/such" })).rejects.toMatchObject(error);
    });

    test("a hundred commands at once each have their own output and status", async () => {
      const numbers = Array.from({ length: 100 }, (_, index) => index);
      const results = await Promise.all(
        numbers.map((n) => machine.exec(`cat; echo ${n}; exit ${n}`, { input: `<${n}>` })),
      );
      expect(results.map(({ stdout }) => stdout)).toEqual(numbers.map((n) => `<${n}>${n}\n`));
      expect(results.map(({ exitCode }) => exitCode)).toEqual(numbers);
    });

    test("megabytes of any bytes go in and come out unchanged, on both outputs at once", async () => {
      const input = randomBytes(3 * MIB);
      const { stdoutBytes, stderrBytes } = await machine.exec("tee /dev/stderr", { input });
      expect(Buffer.from(stdoutBytes).equals(input)).toBe(true);
      expect(Buffer.from(stderrBytes).equals(input)).toBe(true);
    });

    test("input that the command does not read is no error", async () => {
      expect(await machine.exec("exec 0<&-; echo done", { input: randomBytes(MIB) })).toMatchObject({
        stdout: "done\n",
      });
    });

    test("input may be a stream", async () => {
      const input = new Blob(["one\n", "two\n"]).stream();
      expect((await machine.exec("wc -l", { input })).stdout).toBe("2\n");
    });

    test("ends when the command does; what it leaves behind goes on", async () => {
      const { stdout } = await machine.exec("sleep 321 & echo started");
      expect(stdout).toBe("started\n");
      expect((await machine.exec("ps -o args | grep 'sleep 32[1]'")).stdout).toBe("sleep 321\n");
      await machine.exec("killall sleep");
    });

    test("timeoutMs ends the command and what it has started", async () => {
      const error = { code: "timeout", data: { timeoutMs: 300 } };
      await expect(machine.exec("sleep 654 & sleep 654", { timeoutMs: 300 })).rejects.toMatchObject(error);
      expect((await machine.exec("ps -o args | grep 'sleep 65[4]'")).stdout).toBe("");
    });

    test("an AbortSignal ends the command, with its own reason", async () => {
      const controller = new AbortController();
      const reason = new Error("enough");
      setTimeout(() => controller.abort(reason), 200);
      await expect(machine.exec("sleep 987", { signal: controller.signal })).rejects.toBe(reason);
      await expect(machine.exec("true", { signal: controller.signal })).rejects.toBe(reason);
      expect((await machine.exec("ps -o args | grep 'sleep 98[7]'")).stdout).toBe("");
    });

    test("more output than was wanted ends the command", async () => {
      const error = { code: "exec/output-too-large" };
      await expect(machine.exec("yes 'no end'", { maxOutputByteLength: MIB })).rejects.toMatchObject(error);
      expect((await machine.exec("ps -o args | grep 'no en[d]'")).stdout).toBe("");
    });
  });

  describe("spawn", () => {
    test("is a conversation, until the input ends", async () => {
      const run = await machine.spawn("while read line; do echo got $line; done; exit 5");
      const writer = run.stdin.getWriter();
      const reader = run.stdout.getReader();
      await writer.write("one\n");
      expect(Buffer.from((await reader.read()).value!).toString()).toBe("got one\n");
      await writer.write("two\n");
      expect(Buffer.from((await reader.read()).value!).toString()).toBe("got two\n");
      await writer.close();
      expect(await reader.read()).toMatchObject({ done: true });
      expect(await run.exitCode).toBe(5);
    });

    test("kill sends the signal that is named, by name or number", async () => {
      const trapped = await machine.spawn("trap 'exit 42' USR1; echo ready; while :; do sleep 0.05; done");
      await firstBytes(trapped);
      trapped.kill("SIGUSR1");
      expect(await trapped.exited).toEqual({ exitCode: 42, signal: null });
      const plain = await machine.spawn("exec sleep 100");
      plain.kill();
      expect(await plain.exited).toEqual({ exitCode: 143, signal: "SIGTERM" });
      const stubborn = await machine.spawn("trap '' TERM; echo ready; exec sleep 100");
      await firstBytes(stubborn);
      stubborn.kill();
      stubborn.kill(9);
      expect(await stubborn.exited).toEqual({ exitCode: 137, signal: "SIGKILL" });
      expect(() => stubborn.kill("SIGNOTHING" as "SIGTERM")).toThrow("expected a name");
    });

    test("a reader that is slow holds the process back, and little is kept for it", async () => {
      const run = await machine.spawn("exec yes 0123456789abcde");
      await sleep(500);
      const { stdout } = await machine.exec(`cat /proc/${run.pid}/io | grep wchar`);
      // What is under way: a pipe in the guest, the agent's window, and what `yes` has in hand.
      expect(Number(/\d+/.exec(stdout)![0])).toBeLessThan(300_000);
      const reader = run.stdout.getReader();
      for (let byteLength = 0; byteLength < MIB; ) byteLength += (await reader.read()).value!.length;
      run.kill();
      await reader.cancel();
      expect((await run.exited).signal).toBe("SIGTERM");
    });

    test("a process that does not read holds its writer back", async () => {
      const run = await machine.spawn("read line; sha256sum");
      const writer = run.stdin.getWriter();
      const stopped = await machine.spawn("exec sleep 1");
      const data = randomBytes(MIB);
      let written = 0;
      const writing = (async () => {
        await writer.write("go\n");
        for (let at = 0; at < MIB; at += 16384) {
          await writer.write(data.subarray(at, at + 16384));
          written = at;
        }
        await writer.close();
      })();
      run.kill("SIGSTOP");
      await stopped.exited;
      const whileStopped = written;
      await sleep(200);
      expect(written - whileStopped).toBeLessThan(200_000);
      run.kill("SIGCONT");
      await writing;
      expect((await new Response(run.stdout).text()).slice(0, 64)).toBe(
        createHash("sha256").update(data).digest("hex"),
      );
    });

    test("a process whose output nobody wants runs to its end", async () => {
      const run = await machine.spawn("head -c 3000000 /dev/zero");
      await Promise.all([run.stdout.cancel(), run.stderr.cancel()]);
      expect(await run.exitCode).toBe(0);
    });

    test("writing to a process that has closed its input fails", async () => {
      const run = await machine.spawn("exec 0<&-; echo closed; exec sleep 100");
      await firstBytes(run);
      const writer = run.stdin.getWriter();
      writer.closed.catch(() => {});
      await expect(writer.write(new Uint8Array(MIB))).rejects.toMatchObject({ code: "exec/input-closed" });
      run.kill();
    });

    test("its signal's abort ends it", async () => {
      const controller = new AbortController();
      const run = await machine.spawn("exec sleep 100", { signal: controller.signal });
      controller.abort();
      expect((await run.exited).signal).toBe("SIGKILL");
    });

    test("at a terminal: its size, keys that signal, and the status of what ran there", async () => {
      const shell = await machine.spawn(["sh"], { terminal: { columns: 101, rows: 37, type: "xterm" } });
      const type = typing(shell);
      const shows = screenOf(shell);
      await type("tty; stty size; echo $TERM\r");
      await shows(/\n\/dev\/pts\/\d+\r\n37 101\r\nxterm\r\n/);
      await type("sh -c 'echo run; exec sleep 1000'\r");
      await shows(/\nrun\r\n/);
      await type("\x03");
      // What is typed before that is flushed by Ctrl-C.
      await shows(/\^C.*# /s);
      await type("echo status $?\r");
      // 128 and SIGINT's number.
      await shows(/\nstatus 130\r\n/);
      await type("exit 5\r");
      expect(await shell.exited).toEqual({ exitCode: 5, signal: null });
      expect(await text(shell.stderr)).toBe("");
    });

    test("at a terminal: another size is signalled, and Ctrl-C ends what does not heed it", async () => {
      const terminal = { columns: 80, rows: 24 };
      const command = "trap 'stty size' WINCH; echo set; while sleep 0.1; do :; done";
      const process = await machine.spawn(command, { terminal });
      const shows = screenOf(process);
      await shows(/set\r\n/);
      process.resize(60, 20);
      await shows(/20 60\r\n/);
      await typing(process)("\x03");
      expect(await process.exited).toEqual({ exitCode: 130, signal: "SIGINT" });
    });

    test("at a terminal: the end of its input is Ctrl-D, and what it leaves behind is hung up on", async () => {
      const cat = await machine.spawn("sleep 12345 & exec cat", { terminal: { columns: 80, rows: 24 } });
      const writer = cat.stdin.getWriter();
      await writer.write("hi\n");
      await writer.close();
      // Typed, echoed, and written by cat: with the line ends of a terminal.
      expect([await text(cat.stdout), await cat.exitCode]).toEqual(["hi\r\nhi\r\n", 0]);
      await expect.poll(async () => (await machine.exec("pgrep -f 'sleep 1234[5]'")).stdout).toBe("");
      await expect(machine.spawn("true", { terminal: { columns: 0, rows: 24 } })).rejects.toMatchObject({
        code: "exec/arguments",
      });
    });

    test("its start fails as exec does", async () => {
      await expect(machine.spawn(["/nowhere"])).rejects.toMatchObject({ code: "exec/not-found" });
    });
  });

  describe("files", () => {
    beforeEach(async () => {
      await machine.files.remove("/tmp/t", { recursive: true });
      await machine.files.makeDirectory("/tmp/t");
    });

    test("are written and read: text, bytes, nothing, megabytes", async () => {
      const { files } = machine;
      await files.write("/tmp/t/text", "žluť\n");
      expect(await files.readText("/tmp/t/text")).toBe("žluť\n");
      expect((await machine.exec("cat /tmp/t/text")).stdout).toBe("žluť\n");
      await files.write("/tmp/t/text", "");
      expect((await files.read("/tmp/t/text")).length).toBe(0);
      const big = randomBytes(5 * MIB + 1);
      await files.write("/tmp/t/big", big);
      expect((await machine.exec("sha256sum < /tmp/t/big")).stdout.slice(0, 64)).toBe(
        createHash("sha256").update(big).digest("hex"),
      );
      expect(Buffer.from(await files.read("/tmp/t/big")).equals(big)).toBe(true);
    });

    test("can be appended to, made only if new, and given a mode", async () => {
      const { files } = machine;
      await files.write("/tmp/t/f", "a", { mode: 0o700 });
      await files.write("/tmp/t/f", "b", { append: true });
      expect(await files.readText("/tmp/t/f")).toBe("ab");
      await expect(files.write("/tmp/t/f", "c", { exclusive: true })).rejects.toMatchObject({ code: "file/exists" });
      expect((await machine.exec("stat -c '%a %s %F' /tmp/t/f")).stdout).toBe("700 2 regular file\n");
      await files.setMode("/tmp/t/f", 0o4711);
      expect(await files.stat("/tmp/t/f")).toMatchObject({ kind: "file", byteLength: 2, mode: 0o4711, linkCount: 1 });
    });

    test("stat says what the guest's own does", async () => {
      await machine.exec("cd /tmp/t; mkdir d; mkfifo p; ln -s d l; touch -d '2020-02-03 04:05:06' f; chown 12:34 f");
      const { files } = machine;
      expect(await files.stat("/tmp/t/f")).toEqual({
        ...{ kind: "file", byteLength: 0, mode: 0o644, userId: 12, groupId: 34, linkCount: 1 },
        modifiedMs: Date.UTC(2020, 1, 3, 4, 5, 6),
      });
      expect((await files.stat("/tmp/t/l")).kind).toBe("directory");
      expect((await files.stat("/tmp/t/l", { followSymlinks: false })).kind).toBe("symlink");
      expect(await files.list("/tmp/t")).toEqual([
        { name: "d", kind: "directory" },
        { name: "f", kind: "file" },
        { name: "l", kind: "symlink" },
        { name: "p", kind: "pipe" },
      ]);
      expect((await files.stat("/dev/null")).kind).toBe("device");
    });

    test("directories of thousands are listed whole", async () => {
      await machine.exec("cd /tmp/t; i=0; while [ $i -lt 2000 ]; do : > file-with-a-long-name-$i; i=$((i+1)); done");
      const entries = await machine.files.list("/tmp/t");
      expect(new Set(entries.map(({ name }) => name)).size).toBe(2000);
      await machine.files.remove("/tmp/t", { recursive: true });
      expect(await machine.files.exists("/tmp/t")).toBe(false);
    });

    test("links, renames, nested directories", async () => {
      const { files } = machine;
      await files.makeDirectory("/tmp/t/a/b/c", { recursive: true });
      await files.makeDirectory("/tmp/t/a/b", { recursive: true });
      await files.rename("/tmp/t/a/b", "/tmp/t/x");
      await files.makeSymlink("../nowhere", "/tmp/t/x/link");
      expect(await files.readSymlink("/tmp/t/x/link")).toBe("../nowhere");
      expect((await machine.exec("cd /tmp/t; find . | sort")).stdout).toBe(".\n./a\n./x\n./x/c\n./x/link\n");
    });

    test.each<[string, (files: Machine["files"]) => Promise<unknown>, string]>([
      ["read", (files) => files.read("/no/such"), "file/not-found"],
      ["read", (files) => files.read("/tmp"), "file/is-directory"],
      ["write", (files) => files.write("/tmp/no/such", "x"), "file/not-found"],
      ["list", (files) => files.list("/etc/passwd"), "file/not-directory"],
      ["remove", (files) => files.remove("/proc/self"), "file/denied"],
      ["remove", (files) => files.remove("/no/such"), "file/not-found"],
      ["remove", (files) => files.remove("/usr/bin"), "file/not-empty"],
      ["makeDirectory", (files) => files.makeDirectory("/tmp"), "file/exists"],
      ["makeDirectory", (files) => files.makeDirectory("/etc/passwd/x", { recursive: true }), "file/not-directory"],
      ["stat", (files) => files.stat(""), "file/path"],
      ["stat", (files) => files.stat(`/${"x".repeat(300)}`), "file/failed"],
    ])("%s fails with a code: %#", async (_, use, code) => {
      await expect(use(machine.files)).rejects.toMatchObject({ name: "VivariumError", code });
    });

    test("a pipe without a writer, or a device without an end, keeps nobody waiting", async () => {
      await machine.exec("mkfifo /tmp/t/p");
      expect((await machine.files.read("/tmp/t/p")).length).toBe(0);
      const endless = machine.files.read("/dev/zero", { maxByteLength: MIB });
      await expect(endless).rejects.toMatchObject({ code: "file/too-large" });
    });

    test("are read as a stream, as far as somebody reads", async () => {
      const reader = machine.files.readStream("/dev/zero").getReader();
      expect((await reader.read()).value!.length).toBeGreaterThan(0);
      await reader.cancel();
      await machine.files.write("/tmp/t/f", "content");
      expect(await new Response(machine.files.readStream("/tmp/t/f")).text()).toBe("content");
      const failing = machine.files.readStream("/no/such").getReader();
      await expect(failing.read()).rejects.toMatchObject({ code: "file/not-found" });
    });

    test("a hundred at once all succeed", async () => {
      const numbers = Array.from({ length: 100 }, (_, index) => index);
      await Promise.all(numbers.map((n) => machine.files.write(`/tmp/t/${n}`, `${n}`)));
      const contents = await Promise.all(numbers.map((n) => machine.files.readText(`/tmp/t/${n}`)));
      expect(contents).toEqual(numbers.map(String));
    });
  });

  test("the caller's thread stays free while the guest is busy", async () => {
    const busy = await machine.spawn("while :; do :; done");
    let worstMs = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      const now = performance.now();
      worstMs = Math.max(worstMs, now - last - 5);
      last = now;
    }, 5);
    await sleep(1500);
    clearInterval(timer);
    busy.kill("SIGKILL");
    console.log(`worst delay of the caller's event loop beside a busy guest: ${worstMs.toFixed(1)} ms`);
    expect(worstMs).toBeLessThan(200);
  });

  test("a command that kills everything, the agent too, is told apart; the next one is served", async () => {
    await expect(machine.exec("kill -KILL -1; sleep 100")).rejects.toMatchObject({ code: "agent/lost" });
    expect((await machine.exec("echo back")).stdout).toBe("back\n");
    await machine.files.write("/tmp/still", "works");
  });

  test("a command that runs out of memory ends, and the guest goes on", async () => {
    const hog = 'BEGIN { s = "x"; while (length(s) < 8000000) s = s s; for (;;) a[i++] = s s }';
    expect((await machine.exec(["awk", hog])).signal).toBe("SIGKILL");
    expect((await machine.exec("echo alive")).stdout).toBe("alive\n");
  });
});

async function firstBytes({ stdout }: GuestProcess): Promise<void> {
  const reader = stdout.getReader();
  await reader.read();
  reader.releaseLock();
}

/** Types at a process's terminal. */
function typing({ stdin }: GuestProcess): (keys: string) => Promise<void> {
  const writer = stdin.getWriter();
  return (keys) => writer.write(keys);
}

/** Waits until a process's terminal has shown something, since it last had. */
function screenOf({ stdout }: GuestProcess): (wanted: RegExp) => Promise<void> {
  const reader = stdout.getReader();
  let shown = "";
  return async (wanted) => {
    for (let match = wanted.exec(shown); ; match = wanted.exec(shown)) {
      if (match !== null) {
        shown = shown.slice(match.index + match[0].length);
        return;
      }
      const { done, value } = await reader.read();
      if (done) expect.fail(`it ended before it showed ${wanted}: ${JSON.stringify(shown)}`);
      shown += Buffer.from(value).toString();
    }
  };
}
