/** The host's side of the agent's protocol, against an agent that does as it should, and one that does not. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  EXITED,
  encodeFrame,
  FAILED,
  HELLO,
  INPUT,
  PAYLOAD_MAX,
  RESIZE,
  ROOM,
  SIGNAL,
  START,
  STARTED,
  STDERR,
  STDOUT,
  STRINGS,
  TAKEN,
  UNREAD,
  WELCOME,
  WINDOW,
  words,
} from "../../host/guest-agent/protocol.js";
import { ECHO, MockAgent } from "./mock-agent.js";

const text = (value: string) => Buffer.from(value, "latin1");

describe("agent client: a session", () => {
  test("begins with 16 bytes that the agent gives back, and nothing counts before them", () => {
    const agent = new MockAgent();
    const seen = agent.start();
    agent.client.openChanged(true);
    expect(agent.seen.map(({ type, payload }) => [type, payload.length])).toEqual([[HELLO, 16]]);
    // The rest of an earlier session: the end of a frame, and frames of a process 1 that is not ours.
    agent.client.receive(text("\x01\x02\x03 of an old frame"));
    agent.send(STARTED, 1, words(99));
    agent.send(STDOUT, 1, text("old"));
    expect(agent.client.isReady).toBe(false);
    agent.welcome();
    expect(agent.client.isReady).toBe(true);
    expect([seen.pid, seen.stdout]).toEqual([null, ""]);
  });

  test("is told from an earlier one, whatever that says and in whatever pieces it comes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat(300), { maxLength: 5 }), (rest, cuts) => {
        const agent = new MockAgent();
        const seen = agent.start();
        agent.client.openChanged(true);
        const hello = agent.take(HELLO)[0]!.payload;
        const bytes = Buffer.concat([rest, encodeFrame(WELCOME, 2, hello), encodeFrame(STARTED, 1, words(7))]);
        const ends = [...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
        ends.forEach((end, index) => {
          agent.client.receive(bytes.subarray(ends[index - 1] ?? 0, end));
        });
        expect(seen.pid).toBe(7);
      }),
    );
  });

  test("with an agent of another version fails what waits for it, and says which it is", () => {
    const agent = new MockAgent();
    const seen = agent.start();
    agent.come(9);
    expect(seen.error?.code).toBe("agent/version");
    expect(seen.error?.message).toContain("version 9");
  });

  test("ends when the agent does: what ran is lost, what waits does not", () => {
    const agent = new MockAgent();
    agent.come();
    const ran = agent.start();
    agent.send(STARTED, 1, words(5));
    agent.client.openChanged(false);
    const waits = agent.start();
    expect([ran.error?.code, waits.error]).toEqual(["agent/lost", null]);
    agent.come();
    expect(agent.take(START).map(({ process }) => process)).toEqual([1, 2]);
    agent.send(STARTED, 2, words(6));
    expect(waits.pid).toBe(6);
  });
});

describe("agent client: a process", () => {
  test("is started with directory, paths, arguments and environment", () => {
    const agent = new MockAgent();
    agent.come();
    agent.start({ argv: ["ls", "-l"], directory: "/tmp", environment: { PATH: "/bin:/usr/bin", A: "é" } });
    const strings = Buffer.concat(agent.take(STRINGS).map(({ payload }) => payload)).toString();
    expect(strings.split("\0")).toEqual([
      "/tmp",
      "/bin/ls",
      "/usr/bin/ls",
      "ls",
      "-l",
      "PATH=/bin:/usr/bin",
      "A=é",
      "",
    ]);
    expect(agent.take(START).map(({ payload }) => [...payload])).toEqual([[...words(2, 2, 2, 0, 0)]]);
  });

  test("has a terminal of the size it is given, and is told another one when it runs", () => {
    const agent = new MockAgent();
    agent.come();
    const { process } = agent.start({ ...ECHO, terminal: { columns: 100, rows: 30 } });
    expect(agent.take(START).map(({ payload }) => [...payload])).toEqual([[...words(1, 2, 0, 100, 30)]]);
    process.resize({ columns: 1, rows: 1 });
    process.resize({ columns: 80, rows: 24 });
    expect(agent.take(RESIZE)).toEqual([]);
    agent.send(STARTED, 1, words(5));
    process.closeInput();
    expect(agent.take(RESIZE).map(({ payload }) => [...payload])).toEqual([[...words(80, 24)]]);
    // Ctrl-D, and no frame that would end a pipe.
    expect(agent.take(INPUT).map(({ payload }) => [...payload])).toEqual([[4]]);
  });

  test("of an agent from before terminals is started as it knows it, and not where it should have one", () => {
    const agent = new MockAgent();
    const plain = agent.start();
    const wants = agent.start({ ...ECHO, terminal: { columns: 80, rows: 24 } });
    agent.come(2);
    expect(agent.take(START).map(({ process, payload }) => [process, ...payload])).toEqual([[1, ...words(1, 2, 0)]]);
    expect([plain.error, wants.error?.code]).toEqual([null, "exec/terminal"]);
    expect(agent.start({ ...ECHO, terminal: { columns: 80, rows: 24 } }).error?.message).toContain("a new image");
  });

  test("of a name with a slash is looked for nowhere else", () => {
    const agent = new MockAgent();
    agent.come();
    agent.start({ argv: ["./run"], directory: "/", environment: { PATH: "/bin" } });
    expect(agent.take(STRINGS)[0]!.payload.toString()).toBe("/\0./run\0./run\0PATH=/bin\0");
  });

  test.each([
    [{ ...ECHO, argv: [] }, "no program"],
    [{ ...ECHO, argv: ["a\0b"] }, "NUL"],
    [{ ...ECHO, environment: { "A=B": "" } }, "no name for a variable"],
    [{ ...ECHO, argv: ["x", "y".repeat(131_072)] }, "131072 bytes"],
    [{ ...ECHO, argv: ["x", ..."yz".split("").map((letter) => letter.repeat(131_071))] }, "put more in a file"],
  ])("that cannot be is refused: %#", (start, problem) => {
    const agent = new MockAgent();
    expect(() => agent.start(start)).toThrow(problem);
    expect(() => agent.start(start)).toThrow(expect.objectContaining({ code: "exec/arguments" }));
  });

  test("gives output, its ends and a status, exact for exits and signals", () => {
    const agent = new MockAgent();
    agent.come();
    const seen = [agent.start(), agent.start()];
    for (const id of [1, 2]) agent.send(STARTED, id, words(id + 100));
    agent.send(STDOUT, 2, text("\0\xff"));
    agent.send(STDERR, 1, text("oh"));
    agent.send(STDOUT, 2);
    // wait(2): the status in bits 8 to 15, a signal in bits 0 to 6, bit 7 for a core file.
    agent.send(EXITED, 2, words(255 << 8));
    agent.send(EXITED, 1, words(0x80 | 11));
    expect(seen.map(({ pid, stdout, stderr, exit }) => [pid, stdout, stderr, exit])).toEqual([
      [101, "", "oh", { kind: "signal", number: 11 }],
      [102, "\0\xff", "", { kind: "exit", code: 255 }],
    ]);
    expect(seen[1]!.ended).toEqual(["stdout"]);
    expect(agent.client.processCount).toBe(0);
  });

  test.each([
    [2, 2, "exec/not-found"],
    [20, 2, "exec/not-found"],
    [13, 2, "exec/not-executable"],
    [8, 2, "exec/not-executable"],
    [7, 2, "exec/too-large"],
    [2, 1, "exec/directory"],
    [11, 0, "exec/failed"],
    [12, 2, "exec/failed"],
    [9999, 77, "exec/failed"],
  ])("that cannot be started with errno %d at stage %d fails as %s", (errno, stage, code) => {
    const agent = new MockAgent();
    agent.come();
    const seen = agent.start();
    agent.send(FAILED, 1, words(errno, stage));
    expect(seen.error?.code).toBe(code);
    expect(seen.error).toMatchObject({ data: { errno } });
  });

  test("gets no more input than a window that it has not taken, and its end after all of it", async () => {
    const agent = new MockAgent();
    agent.come();
    const seen = agent.start();
    const input = Buffer.from(Array.from({ length: 3 * WINDOW }, (_, index) => index % 251));
    let written = false;
    const write = seen.process.write(input).then(() => {
      written = true;
    });
    seen.process.closeInput();
    expect(agent.take(INPUT)).toEqual([]);
    agent.send(STARTED, 1, words(5));
    const received: Buffer[] = [];
    for (let untaken = 0; ; ) {
      const frames = agent.take(INPUT);
      if (frames.length === 0) break;
      for (const { payload } of frames) {
        expect(payload.length).toBeLessThanOrEqual(PAYLOAD_MAX);
        untaken += payload.length;
        received.push(payload);
      }
      expect(untaken).toBeLessThanOrEqual(WINDOW);
      if (received.at(-1)!.length === 0) break;
      const taken = Math.min(untaken, 10_000);
      untaken -= taken;
      agent.send(TAKEN, 1, words(taken));
    }
    await write;
    expect(written).toBe(true);
    expect(Buffer.concat(received).equals(input)).toBe(true);
    expect(received.filter(({ length }) => length === 0).length).toBe(1);
  });

  test("that does not read its input any more has the writer told", async () => {
    const agent = new MockAgent();
    agent.come();
    const seen = agent.start();
    agent.send(STARTED, 1, words(5));
    const stuck = seen.process.write(new Uint8Array(2 * WINDOW));
    agent.send(UNREAD, 1);
    await expect(stuck).rejects.toMatchObject({ code: "exec/input-closed" });
    await expect(seen.process.write(text("more"))).rejects.toMatchObject({ code: "exec/input-closed" });
  });

  test("is given room for as much output as was consumed, in few frames", () => {
    const agent = new MockAgent();
    agent.come();
    const seen = agent.start();
    agent.send(STARTED, 1, words(5));
    agent.send(STDOUT, 1, new Uint8Array(PAYLOAD_MAX));
    for (let byte = 0; byte < PAYLOAD_MAX; byte++) seen.process.consumed("stdout", 1);
    const room = agent.take(ROOM).map(({ payload }) => [payload.readUInt32LE(0), payload.readUInt32LE(4)]);
    expect(room.every(([stream]) => stream === 1)).toBe(true);
    const total = room.reduce((sum, [, byteLength]) => sum + byteLength!, 0);
    expect(PAYLOAD_MAX - total).toBeLessThan(WINDOW / 4);
    expect(room.length).toBeLessThanOrEqual(4);
  });

  test("is sent signals once it runs, and none when it has ended", () => {
    const agent = new MockAgent();
    agent.come();
    const seen = agent.start();
    seen.process.signal(15, false);
    expect(agent.take(SIGNAL)).toEqual([]);
    agent.send(STARTED, 1, words(5));
    seen.process.signal(9, true);
    expect(agent.take(SIGNAL).map(({ payload }) => [...payload])).toEqual([[...words(15, 0)], [...words(9, 1)]]);
    agent.send(EXITED, 1, words(0));
    seen.process.signal(9, true);
    expect(agent.take(SIGNAL)).toEqual([]);
  });

  test("that has not been started can be given up", () => {
    const agent = new MockAgent();
    const seen = agent.start();
    expect(agent.client.cancel(seen.process)).toBe(true);
    agent.come();
    expect(agent.take(START)).toEqual([]);
    expect(agent.client.processCount).toBe(0);
  });
});

describe("agent client: an agent that misbehaves", () => {
  const huge = new Uint8Array(12);
  new DataView(huge.buffer).setUint32(0, STDOUT, true);
  new DataView(huge.buffer).setUint32(8, 0xffff_ffff, true);

  test.each<[string, (agent: MockAgent) => void]>([
    ["announces a frame of 4 GiB", (agent) => agent.client.receive(huge)],
    ["sends a frame of no known type", (agent) => agent.send(999, 1)],
    ["speaks of a process that there is not", (agent) => agent.send(STDOUT, 77, text("x"))],
    ["starts a process twice", (agent) => agent.send(STARTED, 1, words(6))],
    ["lets a running process fail to start", (agent) => agent.send(FAILED, 1, words(2, 2))],
    ["leaves the status out", (agent) => agent.send(EXITED, 1)],
    ["takes more input than there was", (agent) => agent.send(TAKEN, 1, words(1))],
    [
      "sends more output than there is room for",
      (agent) => {
        for (let sent = 0; sent <= WINDOW; sent += PAYLOAD_MAX) agent.send(STDERR, 1, new Uint8Array(PAYLOAD_MAX));
      },
    ],
  ])("%s: its processes fail with agent/protocol, and it is greeted anew for the next", (_, misbehave) => {
    const agent = new MockAgent();
    agent.come();
    const seen = agent.start();
    agent.send(STARTED, 1, words(5));
    misbehave(agent);
    expect(seen.error?.code).toBe("agent/protocol");
    agent.send(STDOUT, 1, text("more"));
    expect(seen.stdout).not.toContain("more");
    const next = agent.start();
    agent.welcome();
    agent.send(STARTED, 2, words(6));
    expect(next.pid).toBe(6);
  });

  test("whatever it sends, nothing is thrown and little is kept", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 20 }), fc.boolean(), (pieces, greeted) => {
        const agent = new MockAgent();
        if (greeted) agent.come();
        else agent.client.openChanged(true);
        agent.start();
        for (const piece of pieces) agent.client.receive(piece);
      }),
    );
  });
});
