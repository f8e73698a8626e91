/** What becomes of machines: each test has a fork of one that was booted once. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Machine, type MachineOptions, type MachineStatus } from "../../host/index.js";
import { hasApt } from "../images/requirements.js";
import { TEST_CACHE, testImage } from "../images/test-image.js";

// Without apt there is nothing to build the image with.
describe.skipIf(!hasApt)("machine", () => {
  let original: Machine;
  let directory: string;

  beforeAll(async () => {
    process.env.VIV_CACHE_DIR ??= TEST_CACHE;
    await testImage();
    directory = await mkdtemp(join(tmpdir(), "vivarium-api-"));
    original = await Machine.create({ memoryMiB: 128 });
    await original.ready();
  });
  afterAll(async () => {
    await original?.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** A machine that has just come up. */
  async function booted(): Promise<Machine> {
    const [machine] = await original.fork();
    return machine!;
  }

  test("forks go on from the same moment, apart from each other, each with its own randomness", async () => {
    await using parent = await booted();
    await parent.files.write("/tmp/shared", "from before");
    const [a, b] = await parent.fork({ count: 2 });
    try {
      await Promise.all([a!.files.write("/tmp/own", "a"), b!.files.write("/tmp/own", "b")]);
      const read = (machine: Machine) => machine.exec("cat /tmp/shared /tmp/own; head -c 16 /dev/urandom | sha256sum");
      const [ofA, ofB] = await Promise.all([read(a!), read(b!)]);
      expect(ofA.stdout.slice(0, 12)).toBe("from beforea");
      expect(ofB.stdout.slice(0, 12)).toBe("from beforeb");
      expect(ofA.stdout.slice(12)).not.toBe(ofB.stdout.slice(12));
      expect(await parent.files.exists("/tmp/own")).toBe(false);
    } finally {
      await Promise.all([a!.close(), b!.close()]);
    }
  });

  test("restore puts everything back; what ran is lost, and what is asked for next is served", async () => {
    await using machine = await booted();
    await machine.files.write("/tmp/file", "before");
    const before = await machine.snapshot("before");
    expect(before.name).toBe("before");
    await machine.files.write("/tmp/file", "after");
    const running = await machine.spawn("sleep 1000");
    const restored = machine.restore(before);
    const next = machine.files.readText("/tmp/file");
    await restored;
    await expect(running.exited).rejects.toMatchObject({ code: "agent/lost" });
    expect(await next).toBe("before");
    expect((await machine.exec("ps -o args | grep 'sleep 100[0]'")).stdout).toBe("");
    const [fork] = await machine.fork({ snapshot: before });
    expect(await fork!.files.readText("/tmp/file")).toBe("before");
    await fork!.close();
    await before.delete();
    await expect(machine.restore(before)).rejects.toMatchObject({ code: "snapshot/unknown" });
  });

  test("a snapshot amid megabytes of output leaves no trace in what comes after", async () => {
    await using machine = await booted();
    const noise = await machine.spawn("cat /dev/zero");
    const reader = noise.stdout.getReader();
    const drain = (async () => {
      for (let next = await reader.read(); !next.done; next = await reader.read());
    })().catch(() => {});
    await sleep(50);
    for (let round = 0; round < 3; round++) {
      const [fork] = await machine.fork();
      const input = randomBytes(100_000);
      expect(Buffer.from((await fork!.exec("cat", { input })).stdoutBytes).equals(input)).toBe(true);
      await fork!.close();
    }
    const snapshot = await machine.snapshot();
    await machine.restore(snapshot);
    await drain;
    expect((await machine.exec("echo clear")).stdout).toBe("clear\n");
  });

  test("stands still while paused, and goes on where it was", async () => {
    await using machine = await booted();
    const seen: MachineStatus[] = [];
    const unsubscribe = machine.on("status", (status) => seen.push(status));
    await machine.pause();
    expect(machine.status).toBe("paused");
    const hash = await machine.stateHash();
    const { instructions } = await machine.stats();
    let isDone = false;
    const exec = machine.exec("echo on").then(({ stdout }) => {
      isDone = true;
      return stdout;
    });
    await sleep(100);
    expect(isDone).toBe(false);
    expect((await machine.stats()).instructions).toBe(instructions);
    expect(hash).toMatch(/^[0-9a-f]{32}$/);
    await machine.resume();
    expect(await exec).toBe("on\n");
    await expect(machine.stateHash()).rejects.toMatchObject({ code: "machine/status" });
    unsubscribe();
    await machine.pause();
    expect(seen).toEqual(["paused", "running"]);
  });

  test("is off after stop, refuses commands then, and starts anew", async () => {
    await using machine = await booted();
    await machine.files.write("/tmp/file", "gone");
    const running = machine.exec("sleep 1000");
    await Promise.all([machine.stop(), expect(running).rejects.toMatchObject({ code: "agent/lost" })]);
    expect(machine.status).toBe("off");
    await expect(machine.exec("true")).rejects.toMatchObject({ code: "machine/status" });
    await expect(machine.snapshot()).rejects.toMatchObject({ code: "machine/status" });
    await machine.start();
    expect(await machine.files.exists("/tmp/file")).toBe(false);
  });

  test("shuts down when it is asked to, and restarts when the guest wants it", async () => {
    await using machine = await booted();
    const rebooted = new Promise<void>((resolve) => machine.on("reboot", () => resolve()));
    await machine.spawn("sleep 0.2; reboot");
    await rebooted;
    expect((await machine.exec("cut -d. -f1 /proc/uptime")).exitCode).toBe(0);
    expect(await machine.shutdown()).toEqual({ kind: "poweroff" });
    expect(machine.status).toBe("off");
  });

  test("is saved to a file and opened from it, where it was and at a named point", { timeout: 240_000 }, async () => {
    const file = join(directory, "machine.viv");
    {
      await using machine = await booted();
      await machine.files.write("/tmp/file", "one");
      await machine.save(file, { name: "first" });
      await machine.files.write("/tmp/file", "two");
      await machine.save();
      await expect(Machine.open(file)).rejects.toMatchObject({ code: "file/in-use" });
    }
    {
      await using machine = await Machine.open(file);
      expect(await machine.files.readText("/tmp/file")).toBe("two");
    }
    await using earlier = await Machine.open(file, { snapshot: "first" });
    expect(await earlier.files.readText("/tmp/file")).toBe("one");
    // It is switched off and on anew, as it was when it was made; the guest's own restart as well.
    await earlier.reset();
    expect(await earlier.files.exists("/tmp/file")).toBe(false);
    await earlier.files.write("/tmp/file", "gone");
    expect(await earlier.shutdown()).toEqual({ kind: "poweroff" });
    await earlier.start();
    expect(await earlier.files.exists("/tmp/file")).toBe(false);
    await expect(Machine.open(join(directory, "none"))).rejects.toMatchObject({ code: "file/unusable" });
  });

  test("goes on from one file when it is saved to another, with what it has in memory and had in the first", async () => {
    const [first, second] = [join(directory, "first.viv"), join(directory, "second.viv")];
    {
      await using machine = await booted();
      await machine.files.write("/tmp/file", "one");
      await machine.save(first);
    }
    {
      await using machine = await Machine.open(first);
      const snapshot = await machine.snapshot();
      await machine.files.write("/tmp/file", "two");
      await machine.save(second);
      expect(await machine.files.readText("/tmp/file")).toBe("two");
      await machine.restore(snapshot);
      expect(await machine.files.readText("/tmp/file")).toBe("one");
    }
    await using machine = await Machine.open(second);
    expect(await machine.files.readText("/tmp/file")).toBe("two");
  });

  test("closing amid everything rejects what waits, and may be done twice", async () => {
    const machine = await booted();
    const run = await machine.spawn("cat");
    const pending = [machine.exec("sleep 1000"), machine.files.read("/dev/zero"), machine.halted()];
    const outcomes = Promise.allSettled([...pending, run.exited, run.stdout.getReader().read()]);
    await Promise.all([machine.close(), machine.close()]);
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "machine/closed" } });
    }
    await expect(machine.start()).rejects.toMatchObject({ code: "machine/closed" });
    await expect(machine.exec("true")).rejects.toMatchObject({ code: "machine/closed" });
    await machine.close();
  });

  test("its console is a pair of streams", async () => {
    await using machine = await booted();
    const reader = machine.console.readable.getReader();
    const writer = machine.console.writable.getWriter();
    await writer.write("stty -echo\n");
    await writer.write("echo $((6 * 7)) > /dev/console\n");
    let seen = "";
    while (!seen.includes("42\r\n")) seen += Buffer.from((await reader.read()).value!).toString("latin1");
    machine.console.resize(100, 30);
    await expect.poll(async () => (await machine.exec("stty size < /dev/ttyS0")).stdout).toBe("30 100\n");
  });

  test("a console that nobody reads keeps its end, and does not hold the guest back", async () => {
    await using machine = await booted();
    await machine.exec("head -c 500000 /dev/zero | tr '\\0' x > /dev/console; echo; echo the end > /dev/console");
    const reader = machine.console.readable.getReader();
    let seen = "";
    while (!seen.includes("the end")) seen += Buffer.from((await reader.read()).value!).toString("latin1");
    expect(seen.length).toBeLessThan(200_000);
  });

  test("a console whose reader is slow holds the guest back, and a snapshot is taken all the same", async () => {
    await using machine = await booted();
    const reader = machine.console.readable.getReader();
    const flood = await machine.spawn("exec yes > /dev/console");
    const retired = async () => (await machine.stats()).instructions;
    await expect.poll(async () => -(await retired()) + (await sleep(100, retired())), { timeout: 20_000 }).toBe(0n);
    await machine.snapshot();
    await reader.cancel();
    flood.kill();
    expect((await flood.exited).signal).toBe("SIGTERM");
  });

  test("a disk of bytes is part of the machine: of its snapshots and forks", async () => {
    await using machine = await Machine.create({ memoryMiB: 128, drives: [new Uint8Array(1 << 20)] });
    await machine.exec("echo before > /dev/vda; sync");
    const before = await machine.snapshot();
    await machine.exec("echo after > /dev/vda; sync");
    const [fork] = await machine.fork();
    await machine.restore(before);
    const read = "echo 3 > /proc/sys/vm/drop_caches; head -n 1 /dev/vda";
    expect((await machine.exec(read)).stdout).toBe("before\n");
    expect((await fork!.exec(read)).stdout).toBe("after\n");
    await fork!.close();
  });

  test("two machines at once do not disturb each other", async () => {
    await using a = await booted();
    await using b = await booted();
    const sum = "i=0; while [ $i -lt 500 ]; do i=$((i+1)); done; echo $i";
    const results = await Promise.all([a.exec(`hostname a; ${sum}; hostname`), b.exec(`hostname b; ${sum}; hostname`)]);
    expect(results.map(({ stdout }) => stdout)).toEqual(["500\na\n", "500\nb\n"]);
  });

  test.each([
    [{ memoryMiB: -1 }, "option/invalid"],
    [{ harts: 9 }, "option/invalid"],
    [{ kernel: "/no/such" }, "file/unusable"],
    [{ image: "no-such-image" }, "image/unknown"],
    [{ image: "debian-mini", kernel: "x" }, "option/invalid"],
    [{ drives: ["/no/such"] }, "drive/unusable"],
    [{ drives: [new Uint8Array(100)] }, "drive-length"],
    [{ memoryMiB: 127 }, "image/memory"],
    [{ program: new Uint8Array([0x7f, 0x45, 0x4c, 0x46]) }, "elf/malformed"],
  ])("create refuses what cannot be with a code: %#", async (options, code) => {
    await expect(Machine.create(options)).rejects.toMatchObject({ name: "VivariumError", code });
  });

  test.each([
    [{ imgae: "debian-mini" }, "create: there is no option imgae; expected image, append, "],
    [{ memoryMiB: "256" }, 'memoryMiB: "256"; expected a number'],
    [{ image: 5 }, "image: 5; expected a text"],
    [{ append: "a\0b" }, "append: character 2 is a control character"],
    [{ kernel: "Image", commandLine: "a\n" }, "commandLine: character 2 is a control character"],
    [{ kernel: {} }, "kernel: an object; expected a name or a Uint8Array"],
    [{ drives: "disk.img" }, 'drives: "disk.img"; expected a list'],
    [{ drives: [{ file: "disk.img" }] }, "disk0: there is no option file; expected source, "],
    [{ drives: [{ source: 7 }] }, "disk0: 7; expected a name or a Uint8Array"],
    [{ networks: ["user"] }, 'networks: "user"; expected an object'],
    [{ networks: [{ kind: "nat" }] }, 'networks: "nat"; expected kind: user, switch, '],
    [{ shares: ["/tmp"] }, 'shares: "/tmp"; expected an object'],
    [null, "create: null; expected an object with options"],
    [[], "create: a list; expected an object with options"],
  ])("create says what of its options cannot be, to a program without types: %j", async (options, message) => {
    await expect(Machine.create(options as MachineOptions)).rejects.toMatchObject({
      name: "VivariumError",
      code: "option/invalid",
      message: expect.stringContaining(message),
    });
  });

  test("what is asked of a machine in a way that cannot be is refused with a code", async () => {
    await using machine = await booted();
    const none = undefined as never;
    for (const [asked, code] of [
      [() => machine.exec(none), "exec/arguments"],
      [() => machine.exec([1] as never), "exec/arguments"],
      [() => machine.spawn(none), "exec/arguments"],
      [() => machine.exec("true", { environment: {} } as never), "option/invalid"],
      [() => machine.exec("true", { env: { A: 1 } } as never), "option/invalid"],
      [() => machine.exec("true", { cwd: 1 } as never), "option/invalid"],
      [() => machine.exec("cat", { input: 1 } as never), "option/invalid"],
      [() => machine.exec("true", { timeoutMs: "1" } as never), "option/invalid"],
      [() => machine.exec("true", { signal: 5 } as never), "option/invalid"],
      [() => machine.files.read(none), "option/invalid"],
      [() => machine.files.write("/tmp/x", 5 as never), "option/invalid"],
      [() => machine.restore(none), "snapshot/unknown"],
      [() => machine.restore("clean" as never), "snapshot/unknown"],
      [() => machine.fork({ counts: 2 } as never), "option/invalid"],
      [() => machine.save(5 as never), "option/invalid"],
      [() => Machine.open(none), "option/invalid"],
      [() => Machine.open("x", { snapshots: "a" } as never), "option/invalid"],
      [() => Machine.replay(none), "option/invalid"],
      [async () => machine.on("stop" as never, () => {}), "option/invalid"],
    ] as const) {
      await expect(asked(), String(asked)).rejects.toMatchObject({ name: "VivariumError", code });
    }
    expect(await machine.files.exists("/tmp/x")).toBe(false);
  });

  test("an input that fails, or is read by somebody else, fails the command that it is for", async () => {
    await using machine = await booted();
    const reason = new Error("the source is gone");
    const broken = (chunk: unknown) =>
      new ReadableStream({
        start: (controller) => controller.enqueue(chunk),
        pull: () => Promise.reject(reason),
      });
    await expect(machine.exec("cat; sleep 100", { input: broken(new Uint8Array([65])) })).rejects.toBe(reason);
    await expect(machine.exec("cat", { input: broken(5) })).rejects.toMatchObject({ code: "option/invalid" });
    expect((await machine.exec("ps -o args | grep 'sleep 10[0]'")).stdout).toBe("");
    const locked = broken(new Uint8Array(1));
    locked.getReader();
    await expect(machine.exec("cat", { input: locked })).rejects.toMatchObject({ code: "option/invalid" });
    // One that does not end does not keep a command that does.
    const endless = new ReadableStream<Uint8Array>({});
    expect((await machine.exec("echo done", { input: endless })).stdout).toBe("done\n");
  });

  test("a machine that is off cannot be asked to shut down, and can be closed then", async () => {
    const machine = await booted();
    await machine.stop();
    await expect(machine.shutdown()).rejects.toMatchObject({ code: "machine/status" });
    // A promise of the refused request that nobody waits for would end the program now.
    await machine.close();
    await sleep(10);
  });

  test("create is given up when its signal aborts", async () => {
    const reason = new Error("not wanted any more");
    await expect(Machine.create({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const creating = Machine.create({ signal: controller.signal });
    controller.abort(reason);
    await expect(creating).rejects.toBe(reason);
  });

  test("runs programs of one's own, without a guest that could answer", async () => {
    // addi a0, zero, 0x55 << 4 ...: stores 0x5555 to the test device at 0x100000, which switches the machine off.
    const words = [0x00100537, 0x000055b7, 0x55558593, 0x00b52023, 0x0000006f];
    const program = new Uint8Array(Uint32Array.from(words).buffer);
    await using machine = await Machine.create({ program, memoryMiB: 1, start: false });
    const halted = machine.halted();
    await machine.start();
    expect(await halted).toEqual({ kind: "poweroff" });
    await expect(machine.exec("true")).rejects.toMatchObject({ code: "machine/status" });
  });
});
