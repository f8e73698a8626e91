import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { HypervisorEvent } from "../../../host/control/hypervisor/schemas.js";
import { eventually, TestDaemon } from "./harness.js";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.open({ delayMs: 100 });
  await daemon.createMachine("web");
});
afterAll(() => daemon.close());

/** Server-sent events as a client that knows nothing but the standard reads them. */
async function* eventsOf(path: string, headers: Record<string, string> = {}) {
  const controller = new AbortController();
  try {
    const response = await fetch(`${daemon.daemon.url}${path}`, {
      headers: { Authorization: `Bearer ${daemon.token}`, ...headers },
      signal: controller.signal,
    });
    expect(response.headers.get("content-type")).toMatch(/^text\/event-stream/);
    let text = "";
    for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(piece).toString("utf8");
      const blocks = text.split("\n\n");
      text = blocks.pop()!;
      for (const block of blocks) {
        const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: ?(.*)/s).slice(0, 2)));
        if (fields.data !== undefined) yield { id: Number(fields.id), data: JSON.parse(fields.data) };
      }
    }
  } finally {
    controller.abort();
  }
}

describe("events", () => {
  test("events: what happens arrives in order, and a client that comes again misses and repeats nothing", async () => {
    const first: number[] = [];
    const before = (await daemon.ask("GET", "/v1/events?last=1")).body.at(-1)?.id ?? 0;
    for (let count = 0; count < 10; count++) daemon.service.emit("host", null, `event ${count}`);
    for await (const { id, data } of eventsOf(`/v1/events/stream?after=${before}`)) {
      expect(data.id).toBe(id);
      first.push(id);
      if (first.length === 5) break;
    }
    for (let count = 10; count < 15; count++) daemon.service.emit("host", null, `event ${count}`);
    const second: string[] = [];
    for await (const { data } of eventsOf("/v1/events/stream", { "Last-Event-ID": String(first.at(-1)) })) {
      second.push(data.message);
      if (second.length === 5) daemon.service.emit("host", null, "event 15");
      if (second.length === 11) break;
    }
    expect(second).toEqual(Array.from({ length: 11 }, (_, index) => `event ${index + 5}`));
  });
});

test("events: a client that has seen more than there is, of a daemon that has begun anew, is told what happens", async () => {
  const telling = setInterval(() => daemon.service.emit("host", null, "new"), 50);
  try {
    for await (const { data } of eventsOf("/v1/events/stream", { "Last-Event-ID": "999999999" })) {
      expect(data.message).toBe("new");
      break;
    }
  } finally {
    clearInterval(telling);
  }
});

describe("operations", () => {
  test("operation: it is answered at once with its address, and then tells how far it is and how it ended", async () => {
    const begun = await daemon.ask("POST", "/v1/machines", { body: { name: "slow" } });
    expect(begun.status).toBe(202);
    expect(begun.headers.location).toBe(`/v1/operations/${begun.body.id}`);
    expect(begun.body).toMatchObject({ action: "machine.create", machine: "slow", status: "running", endedAt: null });
    const messages = new Set<string>();
    await eventually(async () => {
      const { body } = await daemon.ask("GET", String(begun.headers.location));
      messages.add(body.message);
      return body.status !== "running";
    });
    expect([...messages].filter((text) => /^step \d+ of 10$/.test(text)).length).toBeGreaterThan(2);
    const { body } = await daemon.ask("GET", String(begun.headers.location));
    expect(body).toMatchObject({ status: "succeeded", progress: 1, result: { spec: { name: "slow" } } });
  });

  test("operation: that it has begun and how it ended are events", async () => {
    const begun = await daemon.ask("POST", "/v1/machines", { body: { name: "told" } });
    await daemon.ask("GET", `/v1/operations/${begun.body.id}?waitMs=10000`);
    const refused = await daemon.ask("POST", "/v1/machines/told/fork", { body: { names: ["told"] } });
    await daemon.ask("GET", `/v1/operations/${refused.body.id}?waitMs=10000`);
    const { body } = await daemon.ask("GET", "/v1/events?last=100");
    const told = body.filter(({ kind, machine }: HypervisorEvent) => kind === "operation" && machine === "told");
    const of = (operation: string, action: string, status: string) => ({ data: { operation, action, status } });
    expect(told).toMatchObject([
      of(begun.body.id, "machine.create", "running"),
      of(begun.body.id, "machine.create", "succeeded"),
      of(refused.body.id, "machine.fork", "running"),
      { ...of(refused.body.id, "machine.fork", "failed"), message: expect.stringContaining("has failed: ") },
    ]);
  });

  test("operation: Prefer: wait and waitMs hold the answer back until it has ended", async () => {
    const preferred = await daemon.ask("POST", "/v1/machines", { body: { name: "a" }, headers: { Prefer: "wait=10" } });
    expect(preferred.status).toBe(200);
    expect(preferred.body.status).toBe("succeeded");
    const begun = await daemon.ask("POST", "/v1/machines/a/hibernate?waitMs=20");
    expect(begun.status).toBe(202);
    const ended = await daemon.ask("GET", `/v1/operations/${begun.body.id}?waitMs=10000`);
    expect(ended.body.status).toBe("succeeded");
  });

  test("operation: what is refused straight away is an error, and what fails later is one for who waits", async () => {
    expect((await daemon.ask("POST", "/v1/machines", { body: { name: "web" } })).body.error.code).toBe(
      "machine/exists",
    );
    const begun = await daemon.ask("POST", "/v1/machines/web/fork", { body: { names: ["web"] } });
    expect(begun.status).toBe(202);
    const ended = await daemon.ask("GET", `/v1/operations/${begun.body.id}?waitMs=10000`);
    expect(ended.body).toMatchObject({ status: "failed", error: { code: "machine/exists" } });
    const waited = await daemon.ask("POST", "/v1/machines/web/fork?waitMs=10000", { body: { names: ["web"] } });
    expect(waited.status).toBe(409);
  });
});

describe("console", () => {
  test("console: it shows what it last showed, then what comes; what is typed and the size go to the machine", async () => {
    const socket = await daemon.socket("/v1/machines/web/console");
    expect(socket.socket.protocol).toBe("vivarium.v1");
    await socket.until(() => socket.text.includes("root@vivarium"));
    socket.socket.send(Buffer.from([0x75, 0x00, 0xff, 0x0a]), { binary: true });
    await socket.until(() => Buffer.concat(socket.binary).includes(Buffer.from([0x75, 0x00, 0xff, 0x0a])));
    socket.socket.send(JSON.stringify({ type: "resize", columns: 132, rows: 43 }));
    await socket.until(() => socket.text.includes("[132x43]"));
    socket.socket.close();
    const again = await daemon.socket("/v1/machines/web/console");
    await again.until(() => again.text.includes("[132x43]"));
    again.socket.close();
  });

  test("console: a message that is none is answered with an error, and ends the socket alone", async () => {
    for (const message of ["", "{", '{"type":"resize","columns":0,"rows":1}', '{"type":"format-disk"}', "[]"]) {
      const socket = await daemon.socket("/v1/machines/web/console");
      socket.socket.send(message);
      expect(await socket.closed, message).toBe(4400);
      expect(socket.messages.at(-1)).toMatchObject({ type: "error", error: { code: "request/invalid" } });
    }
    const absent = await daemon.socket("/v1/machines/none/console");
    expect(await absent.closed).toBe(4400);
    expect(absent.messages).toMatchObject([{ type: "error", error: { code: "machine/unknown" } }]);
    await expect(daemon.socket("/v1/machines/..%2fweb/console")).rejects.toThrow("400");
    await expect(daemon.socket("/v1/machines/web/console", "viv_forged")).rejects.toThrow("401");
    const { secret } = await daemon.tokenOf("viewer");
    await expect(daemon.socket("/v1/machines/web/console", secret)).rejects.toThrow("403");
  });

  test("console: a message larger than a megabyte ends the socket", async () => {
    const socket = await daemon.socket("/v1/machines/web/console");
    socket.socket.send(new Uint8Array(1024 * 1024 + 1), { binary: true });
    expect(await socket.closed).toBe(1009);
  });
});

describe("commands", () => {
  const start = (command: unknown, terminal: unknown = null) => JSON.stringify({ type: "start", command, terminal });

  test("spawn: output comes by its stream, and the end with its status", async () => {
    const socket = await daemon.socket("/v1/machines/web/spawn");
    socket.socket.send(start(["echo", "hello"]));
    expect(await socket.closed).toBe(1000);
    const stream = (number: number) =>
      Buffer.concat(socket.binary.filter(([first]) => first === number).map((bytes) => bytes.subarray(1))).toString();
    expect(stream(1)).toBe("echo hello\n");
    expect(stream(2)).toBe("a warning\n");
    expect(socket.messages).toEqual([{ type: "started" }, { type: "exit", exitCode: 3, signal: null }]);
  });

  test("spawn: input goes to the command byte for byte, and its end as well", async () => {
    const socket = await daemon.socket("/v1/machines/web/spawn");
    socket.socket.send(start("cat"));
    const sent = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) % 256));
    for (let offset = 0; offset < sent.length; offset += 50_000) {
      socket.socket.send(sent.subarray(offset, offset + 50_000), { binary: true });
    }
    socket.socket.send('{"type":"end-input"}');
    expect(await socket.closed).toBe(1000);
    expect(Buffer.concat(socket.binary.map((bytes) => bytes.subarray(1))).equals(sent)).toBe(true);
  });

  test("spawn: a signal and the terminal's size reach the command", async () => {
    const socket = await daemon.socket("/v1/machines/web/spawn");
    socket.socket.send(start("cat", { columns: 80, rows: 24 }));
    socket.socket.send('{"type":"resize","columns":90,"rows":30}');
    await socket.until(() => socket.text.includes("[90x30]"));
    socket.socket.send('{"type":"kill","signal":"SIGINT"}');
    expect(await socket.closed).toBe(1000);
    expect(socket.messages.at(-1)).toEqual({ type: "exit", exitCode: null, signal: "SIGINT" });
  });

  test("spawn: a reader that does not read holds the command back, and the daemon's memory stays small", async () => {
    const socket = await daemon.socket("/v1/machines/web/spawn");
    socket.socket.pause();
    const before = process.memoryUsage().arrayBuffers;
    socket.socket.send(start("flood"));
    await new Promise((resolve) => setTimeout(resolve, 500));
    // Both ends are in this process: what waits is in one of them, or in the kernel.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(24 * 1024 * 1024);
    socket.socket.resume();
    expect(await socket.closed).toBe(1000);
    expect(socket.binary.reduce((sum, { length }) => sum + length - 1, 0)).toBe(64 * 1024 * 1024);
  });

  test("spawn: bytes before the start, a second start and unknown messages are refused", async () => {
    const first = await daemon.socket("/v1/machines/web/spawn");
    first.socket.send(Buffer.from("x"), { binary: true });
    expect(await first.closed).toBe(4400);
    const second = await daemon.socket("/v1/machines/web/spawn");
    second.socket.send(start("cat"));
    second.socket.send(start("cat"));
    expect(await second.closed).toBe(4400);
  });
});

describe("readings", () => {
  test("metrics: every reading of a machine and of a pool is there, in Prometheus's text format", async () => {
    const { bytes, headers } = await daemon.ask("GET", "/metrics");
    expect(headers["content-type"]).toContain("text/plain; version=0.0.4");
    const lines = bytes
      .toString("utf8")
      .split("\n")
      .filter((line) => line !== "");
    for (const line of lines) {
      expect(line).toMatch(/^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{([a-z]+="[^"]*",?)+\})? -?[0-9.e+]+)$/);
    }
    expect(lines).toContain('vivarium_machine_status{machine="web",pool="root",status="running"} 1');
    const { body } = await daemon.ask("GET", "/v1/machines/web");
    const value = lines.find((line) => line.startsWith('vivarium_disk_reads_total{machine="web",pool="root"}'));
    expect(Number(value?.split(" ")[1])).toBeLessThanOrEqual(body.usage.diskReads);
    expect(lines.some((line) => line.startsWith('vivarium_pool_processors{pool="root"}'))).toBe(true);
  });
});
