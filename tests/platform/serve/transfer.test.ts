import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestDaemon } from "./harness.js";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.open({ uploadLimit: "1MiB" });
  await daemon.createMachine("web");
});
afterAll(() => daemon.close());

const OFFSET = { "Content-Type": "application/offset+octet-stream" };
const exported = () => daemon.ask("GET", "/v1/machines/web/export");

async function begin(name: string, byteLength?: number): Promise<string> {
  const { status, headers } = await daemon.ask("POST", "/v1/imports", { body: { name, byteLength } });
  expect(status).toBe(201);
  return String(headers.location);
}

const piece = (target: string, offset: number | string, body: Uint8Array) =>
  daemon.ask("PATCH", target, { body, headers: { ...OFFSET, "Upload-Offset": String(offset) } });

describe("downloads", () => {
  test("export: its length is known, and a part of it is asked for by Range, with If-Range and without", async () => {
    const whole = await exported();
    expect(whole.status).toBe(200);
    expect(Number(whole.headers["content-length"])).toBe(whole.bytes.length);
    expect(whole.headers["accept-ranges"]).toBe("bytes");
    const etag = String(whole.headers.etag);
    for (const headers of [{ Range: "bytes=1000-" }, { Range: "bytes=1000-", "If-Range": etag }]) {
      const rest = await daemon.ask("GET", "/v1/machines/web/export", { headers });
      expect(rest.status).toBe(206);
      expect(rest.headers["content-range"]).toBe(`bytes 1000-${whole.bytes.length - 1}/${whole.bytes.length}`);
      expect(rest.bytes.equals(whole.bytes.subarray(1000))).toBe(true);
    }
    const middle = await daemon.ask("GET", "/v1/machines/web/export", { headers: { Range: "bytes=5-9" } });
    expect(middle.bytes.equals(whole.bytes.subarray(5, 10))).toBe(true);
    const beyond = await daemon.ask("GET", "/v1/machines/web/export", { headers: { Range: "bytes=9999999-" } });
    expect(beyond.status).toBe(416);
    expect(beyond.headers["content-range"]).toBe(`bytes */${whole.bytes.length}`);
    const other = { Range: "bytes=1000-", "If-Range": '"another"' };
    expect((await daemon.ask("GET", "/v1/machines/web/export", { headers: other })).status).toBe(200);
  });

  test("export: the parts of a download are its token's alone", async () => {
    const { secret } = await daemon.tokenOf("operator");
    const answer = await daemon.ask("GET", "/v1/machines/web/export", {
      token: secret,
      headers: { Range: "bytes=9-" },
    });
    expect(answer.status).toBe(416);
  });

  test("export: the disk holds a bounded number of them", async () => {
    for (let count = 0; count < 8; count++) expect((await exported()).status).toBe(200);
    expect(readdirSync(join(daemon.directory, "exports")).length).toBeLessThanOrEqual(4);
  });
});

describe("uploads", () => {
  test("import: a machine that is sent in pieces, one of them twice and one broken off, is the one that was exported", async () => {
    const { bytes } = await exported();
    const target = await begin("copy", bytes.length);
    expect((await piece(target, 0, bytes.subarray(0, 1000))).headers["upload-offset"]).toBe("1000");
    const again = await piece(target, 0, bytes.subarray(0, 1000));
    expect(again.status).toBe(409);
    expect(again.body.error).toMatchObject({ code: "import/offset", data: { offset: 1000 } });
    const socket = daemon.raw();
    socket.on("error", () => {});
    socket.write(
      `PATCH ${target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${daemon.token}\r\nContent-Type: ${OFFSET["Content-Type"]}\r\n` +
        "Upload-Offset: 1000\r\nContent-Length: 5000\r\n\r\n",
    );
    socket.write(bytes.subarray(1000, 3000));
    await new Promise((resolve) => setTimeout(resolve, 200));
    socket.destroy();
    let offset = 0;
    for (let attempt = 0; attempt < 50 && offset !== 3000; attempt++) {
      const head = await daemon.ask("HEAD", target);
      expect(head.headers["upload-length"]).toBe(String(bytes.length));
      offset = Number(head.headers["upload-offset"]);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(offset).toBe(3000);
    // A client that goes is no error of the daemon's.
    expect(daemon.log).toEqual([]);
    const early = await daemon.ask("POST", `${target}/finish`);
    expect(early.status).toBe(409);
    expect((await piece(target, 3000, bytes.subarray(3000))).status).toBe(204);
    const finished = await daemon.ask("POST", `${target}/finish?waitMs=10000`);
    expect(finished.body).toMatchObject({ status: "succeeded", result: { spec: { name: "copy" } } });
    expect((await daemon.ask("HEAD", target)).status).toBe(404);
    expect(readdirSync(join(daemon.directory, "uploads"))).toEqual([]);
  });

  test("import: a passphrase goes with both ways", async () => {
    const headers = { "Vivarium-Passphrase": Buffer.from("öffne dich").toString("base64") };
    const { bytes } = await daemon.ask("GET", "/v1/machines/web/export", { headers });
    const target = await begin("sealed");
    await piece(target, 0, bytes);
    const without = await daemon.ask("POST", `${target}/finish?waitMs=10000`);
    expect(without.body.error.code).toBe("stream/passphrase");
    const withIt = await daemon.ask("POST", `${target}/finish?waitMs=10000`, { headers });
    expect(withIt.body.status).toBe("succeeded");
  });

  test("import: an upload is longer neither than it said nor than the daemon takes, and there are few at a time", async () => {
    expect((await daemon.ask("POST", "/v1/imports", { body: { name: "a", byteLength: 2 ** 21 } })).status).toBe(413);
    const said = await begin("said", 10);
    expect((await piece(said, 0, new Uint8Array(11))).status).toBe(413);
    const open = await begin("open");
    expect((await piece(open, 0, new Uint8Array(1024 * 1024))).status).toBe(204);
    expect((await piece(open, 1024 * 1024, new Uint8Array(1))).status).toBe(413);
    const more = [await begin("more"), await begin("still")];
    expect((await daemon.ask("POST", "/v1/imports", { body: { name: "one-too-many" } })).status).toBe(503);
    for (const target of [said, open, ...more]) expect((await daemon.ask("DELETE", target)).status).toBe(204);
  });

  test("import: what is no piece is refused", async () => {
    const target = await begin("odd");
    expect((await daemon.ask("PATCH", target, { body: "{}" })).status).toBe(400);
    for (const offset of ["-1", "1e3", "", "0x0", "99999999999999999999"]) {
      expect((await piece(target, offset, new Uint8Array(1))).status, offset).toBe(400);
    }
    const asJson = { body: "{}", headers: { "Upload-Offset": "0" } };
    expect((await daemon.ask("PATCH", target, asJson)).status).toBe(415);
    expect((await piece("/v1/imports/..%2f..%2fdaemon.db", 0, new Uint8Array(1))).status).toBe(400);
    const { secret } = await daemon.tokenOf("admin");
    expect((await daemon.ask("HEAD", target, { token: secret })).status).toBe(404);
    expect((await daemon.ask("DELETE", target)).status).toBe(204);
  });

  test("import: an upload goes on with the next daemon", async () => {
    const { bytes } = await exported();
    const first = await TestDaemon.open();
    const { headers } = await first.ask("POST", "/v1/imports", { body: { name: "later" } });
    const target = String(headers.location);
    await first.ask("PATCH", target, { body: bytes.subarray(0, 777), headers: { ...OFFSET, "Upload-Offset": "0" } });
    await first.daemon.close();
    const second = await TestDaemon.open({ directory: first.directory });
    const as = { token: first.token };
    expect((await second.ask("HEAD", target, as)).headers["upload-offset"]).toBe("777");
    await second.ask("PATCH", target, {
      ...as,
      body: bytes.subarray(777),
      headers: { ...OFFSET, "Upload-Offset": "777" },
    });
    expect((await second.ask("POST", `${target}/finish?waitMs=10000`, as)).body.status).toBe("succeeded");
    await second.close();
  });
});
