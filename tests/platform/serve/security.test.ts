import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ACTIONS, STREAMS } from "../../../host/control/hypervisor/actions.js";
import { readServeOptions } from "../../../host/control/serve-options.js";
import { eventually, TestDaemon } from "./harness.js";

const ROLES = ["viewer", "operator", "admin"] as const;

describe("tokens", () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await TestDaemon.open();
  });
  afterAll(() => daemon.close());

  test("token: nothing but the page and the document is answered without one", async () => {
    const open = ["GET /", "GET /v1/openapi.json"];
    for (const http of open) expect((await daemon.ask("GET", http.slice(4), { token: null })).status, http).toBe(200);
    const rows = [...Object.values(ACTIONS), ...Object.values(STREAMS)].map(({ http }) => http);
    for (const http of [...rows, "GET /metrics"]) {
      const [method, path] = http.split(" ") as [string, string];
      const answer = await daemon.ask(method, path.replaceAll(/\{\w+\}/g, "x"), { token: null });
      expect([401, 429], http).toContain(answer.status);
    }
  });

  test("token: what is forged, cut, empty or of another scheme is refused, and refused in the same way", async () => {
    const forged = [
      `viv_${"A".repeat(43)}`,
      daemon.token.slice(0, -1),
      `${daemon.token}x`,
      daemon.token.toUpperCase(),
      "x".repeat(4000),
      "' OR 1=1 --",
    ];
    const answers = await Promise.all(forged.map((token) => daemon.ask("GET", "/v1/host", { token })));
    for (const { status, body } of answers) {
      expect([401, 429]).toContain(status);
      expect(body.error.code).toMatch(/^authentication\//);
    }
    const basic = Buffer.from(`admin:${daemon.token}`).toString("base64");
    const other = await daemon.ask("GET", "/v1/host", { token: null, headers: { Authorization: `Basic ${basic}` } });
    expect([401, 429]).toContain(other.status);
    const inUrl = await daemon.ask("GET", `/v1/host?token=${daemon.token}`, { token: null });
    expect([401, 429]).toContain(inUrl.status);
    const inCookie = await daemon.ask("GET", "/v1/host", { token: null, headers: { Cookie: `token=${daemon.token}` } });
    expect([401, 429]).toContain(inCookie.status);
  });

  test("token: whoever guesses is answered 429 after a while, and good tokens of the same address go on", async () => {
    const statuses: number[] = [];
    for (let count = 0; count < 30; count++) {
      statuses.push((await daemon.ask("GET", "/v1/host", { token: `viv_${"B".repeat(43)}` })).status);
    }
    expect(statuses.at(-1)).toBe(429);
    expect((await daemon.ask("GET", "/v1/host")).status).toBe(200);
  });

  test("token: the audit has a bounded number of refusals of one address", async () => {
    const { body } = await daemon.ask("GET", "/v1/audit?last=1000");
    const refused = body.filter(({ principal }: { principal: string }) => principal === "127.0.0.1");
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThanOrEqual(20);
    expect(refused.at(-1).message).toContain("not noted");
  });

  test("token: each role may do what the table says and nothing more", async () => {
    await daemon.createMachine("matrix");
    for (const role of ROLES) {
      const { secret } = await daemon.tokenOf(role);
      for (const [name, row] of [...Object.entries(ACTIONS), ...Object.entries(STREAMS)]) {
        // A machine that there is not: who may ask is told so, and nothing changes.
        const [method, path] = row.http.split(" ") as [string, string];
        if (name === "event.stream" && role !== "viewer") continue;
        const asked = path.replaceAll(/\{\w+\}/g, "absent-one");
        const may = ROLES.indexOf(role) >= ROLES.indexOf(row.role);
        if (name === "event.stream") continue;
        const { status, body } = await daemon.ask(method, asked, {
          token: secret,
          body: method === "GET" ? undefined : {},
        });
        if (may) expect(status, `${role} ${name}`).not.toBe(403);
        else {
          expect(status, `${role} ${name}`).toBe(403);
          expect(body.error.code).toBe("permission/role");
        }
      }
    }
  });

  test("token: one that is revoked is refused at once, and what was open by it is closed", async () => {
    await daemon.createMachine("revoked");
    const { id, secret } = await daemon.tokenOf("operator");
    const socket = await daemon.socket("/v1/machines/revoked/console", secret);
    let streamEnded = false;
    const stream = await fetch(`${daemon.daemon.url}/v1/events/stream`, {
      headers: { Authorization: `Bearer ${secret}` },
    });
    const reading = (async () => {
      try {
        for await (const _ of stream.body as unknown as AsyncIterable<Uint8Array>);
      } catch {
        // Closed from the other end.
      }
      streamEnded = true;
    })();
    expect((await daemon.ask("DELETE", `/v1/tokens/${id}`)).status).toBe(204);
    expect((await daemon.ask("GET", "/v1/host", { token: secret })).status).not.toBe(200);
    expect(await socket.closed).toBe(4401);
    await reading;
    expect(streamEnded).toBe(true);
  });

  test("token: one that expires is refused afterwards, and what was open by it is closed", async () => {
    await daemon.createMachine("expired");
    const { secret } = await daemon.tokenOf("operator", 1);
    const socket = await daemon.socket("/v1/machines/expired/console", secret);
    expect((await daemon.ask("GET", "/v1/host", { token: secret })).status).toBe(200);
    expect(await socket.closed).toBe(4401);
    expect((await daemon.ask("GET", "/v1/host", { token: secret })).status).not.toBe(200);
  });

  test("token: no secret is in the daemon's files but in the one of its user, which nobody else may read", async () => {
    const { secret } = await daemon.tokenOf("admin");
    const database = readFileSync(join(daemon.directory, "daemon.db"));
    for (const text of [secret, daemon.token, secret.slice(4), daemon.token.slice(4)]) {
      expect(database.includes(text)).toBe(false);
    }
    const discovery = JSON.parse(readFileSync(join(daemon.directory, "daemon.json"), "utf8"));
    expect(database.includes(discovery.token)).toBe(false);
    expect((await daemon.ask("GET", "/v1/tokens", { token: discovery.token })).status).toBe(200);
    expect(statSync(join(daemon.directory, "daemon.json")).mode & 0o777).toBe(0o600);
    expect(statSync(join(daemon.directory, "daemon.db")).mode & 0o777).toBe(0o600);
    expect(statSync(daemon.directory).mode & 0o777).toBe(0o700);
  });
});

describe("browsers", () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await TestDaemon.open({ name: ["lab.example.org"] });
    await daemon.createMachine("web");
  });
  afterAll(() => daemon.close());

  test("rebinding: a name that is not the daemon's is refused whatever the token, its own and addresses are not", async () => {
    const status = async (host: string) => (await daemon.ask("GET", "/v1/host", { headers: { Host: host } })).status;
    for (const host of [
      "evil.example",
      `evil.example:${daemon.port}`,
      "localhost.evil.example",
      "127.0.0.1.evil.example",
    ]) {
      expect(await status(host), host).toBe(403);
    }
    for (const host of ["a b", "[::1", "user@localhost", "localhost:port"]) {
      expect([400, 403], host).toContain(await status(host));
    }
    for (const host of [`127.0.0.1:${daemon.port}`, "localhost", "[::1]:8440", "LAB.example.org:8440", "10.0.0.7"]) {
      expect(await status(host), host).toBe(200);
    }
    expect((await daemon.ask("GET", "/", { token: null, headers: { Host: "evil.example" } })).status).toBe(403);
  });

  test("cross-origin: pages of others may not ask, not read, and not open sockets", async () => {
    const own = { Host: `127.0.0.1:${daemon.port}`, Origin: `http://127.0.0.1:${daemon.port}` };
    const ask = (headers: Record<string, string>) => daemon.ask("POST", "/v1/machines/web/pause", { headers });
    for (const origin of [
      "http://evil.example",
      "null",
      "http://127.0.0.1:1",
      `https://127.0.0.1:${daemon.port}`,
      "file://",
    ]) {
      const answer = await ask({ ...own, Origin: origin });
      expect(answer.status, origin).toBe(403);
      expect(answer.headers["access-control-allow-origin"]).toBeUndefined();
      await expect(daemon.socket("/v1/machines/web/console", daemon.token, { Origin: origin })).rejects.toThrow("403");
    }
    for (const site of ["cross-site", "same-site"]) {
      expect((await ask({ ...own, "Sec-Fetch-Site": site })).status, site).toBe(403);
    }
    const preflight = await daemon.ask("OPTIONS", "/v1/machines", {
      token: null,
      headers: { Origin: "http://evil.example", "Access-Control-Request-Method": "POST" },
    });
    expect(preflight.status).toBe(403);
    expect(preflight.headers["access-control-allow-origin"]).toBeUndefined();
    expect((await ask({ ...own, "Sec-Fetch-Site": "same-origin" })).status).toBe(200);
  });

  test("CSRF: a form of another page changes nothing, for nothing that a browser sends by itself lets it in", async () => {
    const form = {
      token: null,
      body: '{"name":"forged"}',
      headers: { "Content-Type": "text/plain", Cookie: `session=${daemon.token}; token=${daemon.token}` },
    };
    expect((await daemon.ask("POST", "/v1/machines", form)).status).toBe(401);
    const answer = await daemon.ask("GET", "/");
    expect(answer.headers["set-cookie"]).toBeUndefined();
    expect((await daemon.ask("GET", "/v1/machines/forged")).status).toBe(404);
  });

  test("headers: the page may load and ask nothing but the daemon, and nobody may frame it", async () => {
    const { headers } = await daemon.ask("GET", "/", { token: null });
    const policy = String(headers["content-security-policy"]);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).toContain("connect-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/https?:|\*|unsafe-eval/);
    expect(headers["x-content-type-options"]).toBe("nosniff");
    expect(headers["referrer-policy"]).toBe("no-referrer");
    expect((await daemon.ask("GET", "/v1/host")).headers["cache-control"]).toBe("no-store");
  });

  test("page: only the files of the page are served, by no spelling of a path", async () => {
    for (const path of [
      "/../package.json",
      "/..%2f..%2fpackage.json",
      "/%2e%2e/%2e%2e/package.json",
      "//etc/passwd",
      "/assets/../../daemon.db",
      "/index.html%00.js",
      "/.env",
      "/daemon.json",
    ]) {
      const { status } = await daemon.ask("GET", path, { token: null });
      expect([400, 404], path).toContain(status);
    }
  });
});

describe("hosts", () => {
  test("listening: beyond loopback only with a certificate, and --tls-key and --tls-cert go together", () => {
    for (const listen of ["0.0.0.0:8440", "[::]:8440", "192.0.2.1:8440", "lab.example.org:8440"]) {
      expect(() => readServeOptions({ listen })).toThrow(/can be reached by others.*--tls-cert/);
      expect(readServeOptions({ listen, tlsCert: "c", tlsKey: "k" }).tls).toEqual({ certFile: "c", keyFile: "k" });
    }
    expect(() => readServeOptions({ tlsCert: "c" })).toThrow("--tls-cert needs --tls-key");
    expect(() => readServeOptions({ tlsKey: "k" })).toThrow("--tls-key needs --tls-cert");
    for (const listen of ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1", "8440"]) readServeOptions({ listen });
  });
});

describe("folders", () => {
  const root = mkdtempSync(join(tmpdir(), "viv-roots-"));
  const shared = join(root, "shared");
  mkdirSync(join(shared, "inside"), { recursive: true });
  mkdirSync(join(root, "shared-not"));
  symlinkSync(root, join(shared, "out"));
  let daemon: TestDaemon | null = null;
  afterEach(async () => {
    await daemon?.close();
    daemon = null;
  });
  afterAll(() => rmSync(root, { recursive: true }));

  const create = async (name: string, directory: string) => {
    const folders = [{ directory, tag: "host0", readOnly: false }];
    const { status, body } = await daemon!.ask("POST", "/v1/machines?waitMs=10000", { body: { name, folders } });
    return { status, code: body.error?.code };
  };

  test("folder: none is shared unless the daemon was told below which they may be", async () => {
    daemon = await TestDaemon.open();
    expect(await create("a", shared)).toEqual({ status: 403, code: "permission/folder" });
  });

  test("folder: only those below a root are shared, links and dots looked through", async () => {
    daemon = await TestDaemon.open({ shareRoot: [shared] });
    expect((await create("a", shared)).status).toBe(200);
    expect((await create("b", join(shared, "inside"))).status).toBe(200);
    expect((await create("c", `${shared}/inside/../inside/`)).status).toBe(200);
    for (const directory of [
      root,
      "/",
      "/etc",
      join(shared, "out"),
      join(shared, "out", "shared-not"),
      `${shared}/../shared-not`,
      `${shared}-not`,
      join(shared, "absent"),
      "inside",
      ".",
      `${shared}\0/inside`,
    ]) {
      expect(await create("d", directory), directory).toEqual({ status: 403, code: "permission/folder" });
    }
  });
});

describe("limits", () => {
  let daemon: TestDaemon;
  afterEach(() => daemon.close());

  test("rate: a token that asks too often is answered 429, and another one is not", async () => {
    daemon = await TestDaemon.open({ limits: { requestsPerMinute: 20 } });
    const { secret } = await daemon.tokenOf("viewer");
    const statuses = [];
    for (let count = 0; count < 25; count++) {
      statuses.push((await daemon.ask("GET", "/v1/host", { token: secret })).status);
    }
    expect(statuses.filter((status) => status === 200)).toHaveLength(20);
    expect(statuses.at(-1)).toBe(429);
    const { body, headers } = await daemon.ask("GET", "/v1/host", { token: secret });
    expect(body.error.code).toBe("rate/limit");
    expect(Number(headers["retry-after"])).toBeGreaterThan(0);
    expect((await daemon.ask("GET", "/v1/host")).status).toBe(200);
    const paths = await Promise.all(Array.from({ length: 60 }, () => daemon.ask("GET", "/none", { token: null })));
    expect(paths.at(-1)!.status).toBe(429);
  });

  test("body: one that is too large is refused with 413, whether its length is said or not", async () => {
    daemon = await TestDaemon.open();
    const body = JSON.stringify({ name: "a", description: "x".repeat(2_000_000) });
    expect((await daemon.ask("POST", "/v1/machines", { body })).status).toBe(413);
    const socket = daemon.raw();
    let text = "";
    socket.setEncoding("latin1").on("data", (piece: string) => {
      text += piece;
    });
    socket.on("error", () => {});
    socket.write(
      `POST /v1/machines HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${daemon.token}\r\n` +
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    for (let count = 0; count < 40 && !text.includes("413"); count++) {
      socket.write(`10000\r\n${"x".repeat(0x10000)}\r\n`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await eventually(() => text.includes("413"));
    socket.destroy();
  });

  test("slow clients: heads and bodies that never end are cut off, while others are served", async () => {
    daemon = await TestDaemon.open({ limits: { headersMs: 600, requestMs: 1200, checkMs: 100 } });
    const slow = (head: string) => {
      const socket = daemon.raw();
      const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
      socket.on("error", () => {});
      socket.resume();
      socket.write(head);
      const drip = setInterval(() => socket.write("x"), 100);
      return closed.finally(() => clearInterval(drip));
    };
    const heads = Array.from({ length: 50 }, () => slow("GET /v1/host HTTP/1.1\r\nHost: localhost\r\nX-Slow: "));
    const bodies = Array.from({ length: 20 }, () =>
      slow(
        `POST /v1/machines HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${daemon.token}\r\n` +
          "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n",
      ),
    );
    expect((await daemon.ask("GET", "/v1/host")).status).toBe(200);
    await Promise.all([...heads, ...bodies]);
  });

  test("silent clients: whoever opens all connections and says nothing keeps nobody out, and is cut off", async () => {
    daemon = await TestDaemon.open({ limits: { headersMs: 2000 } });
    const closed: Promise<unknown>[] = [];
    // No more at once than the kernel keeps for a server (511): of more, some are open at the client's end alone.
    for (let count = 0; count < 1100; count += 100) {
      const silent = Array.from({ length: 100 }, () =>
        daemon
          .raw()
          .on("error", () => {})
          .resume(),
      );
      const closings = silent.map((socket) => new Promise((resolve) => socket.once("close", resolve)));
      const openings = silent.map((socket) => new Promise((resolve) => socket.once("connect", resolve)));
      await Promise.all(openings.map((opening, index) => Promise.race([opening, closings[index]])));
      closed.push(...closings);
    }
    expect((await daemon.ask("GET", "/v1/host")).status).toBe(200);
    const kept = await daemon.socket("/v1/machines/none/console").catch((error: Error) => error.message);
    expect(kept).not.toContain("ECONNRESET");
    await Promise.all(closed);
  });

  test("requests: one that names its host twice is refused, whichever of the two would count", async () => {
    daemon = await TestDaemon.open();
    const authorization = `Authorization: Bearer ${daemon.token}\r\n`;
    for (const head of [
      "GET /v1/host HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n",
      "GET http://evil.example/v1/host HTTP/1.1\r\nHost: localhost\r\n",
    ]) {
      const socket = daemon.raw();
      socket.write(`${head}${authorization}Connection: close\r\n\r\n`);
      expect(await text(socket)).toMatch(/^HTTP\/1\.1 400 .*request\/invalid/s);
    }
  });

  test("requests: what is no HTTP is answered with one line of JSON", async () => {
    daemon = await TestDaemon.open();
    for (const bytes of [
      "\x16\x03\x01\x02\x00",
      "GET\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      `GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n`,
    ]) {
      const socket = daemon.raw();
      let text = "";
      socket.setEncoding("latin1").on("data", (piece: string) => {
        text += piece;
      });
      const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
      socket.on("error", () => {});
      socket.end(bytes, "latin1");
      await closed;
      expect(text, JSON.stringify(bytes)).toMatch(/^HTTP\/1\.1 4\d\d [\s\S]*\{"error":\{"code":"[a-z]+\/[a-z-]+"/);
    }
  });

  test("requests: a head that is too long is said to be so, and there are no WebSockets where nothing speaks that", async () => {
    daemon = await TestDaemon.open();
    const answerTo = async (request: string): Promise<string> => {
      const socket = daemon.raw();
      let text = "";
      socket.setEncoding("latin1").on("data", (piece: string) => {
        text += piece;
      });
      const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
      socket.on("error", () => {});
      socket.end(request, "latin1");
      await closed;
      return text;
    };
    expect(await answerTo(`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"a".repeat(20_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 431 .*"request\/too-large"/s,
    );
    const upgrade = (path: string) =>
      `GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${daemon.token}\r\nConnection: Upgrade\r\n` +
      "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    for (const path of ["/", "/v1/machines"]) {
      expect(await answerTo(upgrade(path)), path).toMatch(/^HTTP\/1\.1 404 .*"request\/unknown"/s);
    }
  });
});
