/** Disks on web servers: good, slow and lying ones. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openDisk } from "../../host/platform/node/drives.js";
import { FetchClient } from "../../host/platform/node/fetch-client.js";
import { type HttpClient, HttpStore } from "../../host/storage/http-store.js";

const MIB = 1 << 20;
const contents = Buffer.from(Uint8Array.from({ length: 3 * MIB }, (_, index) => (index * 7 + (index >> 9)) & 0xff));

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

let server: Server;
let handler: Handler;
let requests: string[];
let url: string;

beforeEach(async () => {
  requests = [];
  handler = serve;
  server = createServer((request, response) => {
    requests.push(request.headers.range ?? "");
    handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/disk.img`;
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

/** What a request asks for. */
function rangeOf(request: IncomingMessage): [start: number, end: number] {
  const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "")!;
  return [Number(start), Number(end) + 1];
}

/** A server as it should be. */
function serve(
  request: IncomingMessage,
  response: ServerResponse,
  headers: Record<string, string> = {},
  tag = '"v1"',
): void {
  const [start, end] = rangeOf(request);
  const condition = request.headers["if-range"];
  if (condition !== undefined && condition !== tag) {
    response.writeHead(200, { etag: tag, "content-length": contents.length }).end(contents);
    return;
  }
  const range = `bytes ${start}-${end - 1}/${contents.length}`;
  response.writeHead(206, { etag: tag, "content-range": range, ...headers }).end(contents.subarray(start, end));
}

/** The platform's client, which neither waits long for a server nor before it tries again. */
function impatient(): HttpClient {
  const client = new FetchClient({ stallMs: 150 });
  return { get: (request) => client.get(request), sleep: () => client.sleep(1) };
}

const open = () => HttpStore.open(impatient(), url);

async function read(store: Pick<HttpStore, "read">, offset: number, byteLength: number): Promise<Buffer> {
  const into = Buffer.alloc(byteLength);
  await store.read(offset, into);
  return into;
}

describe("a good server", () => {
  test("any range is what the server has, whatever was read before", async () => {
    const store = await open();
    expect(store.byteLength).toBe(contents.length);
    for (const [offset, length] of [
      [0, 512],
      [MIB - 100, 400_000],
      [3 * MIB - 512, 512],
      [131072, 131072],
      [5, 1],
    ] as const) {
      expect((await read(store, offset, length)).equals(contents.subarray(offset, offset + length))).toBe(true);
    }
  });

  test("what was read is not asked for again, and what is read in order is asked for in long pieces", async () => {
    const store = await open();
    for (let offset = 0; offset < 3 * MIB; offset += 4096) await read(store, offset, 4096);
    expect(requests.length).toBeLessThan(10);
    const before = requests.length;
    await read(store, MIB, MIB);
    expect(requests.length).toBe(before);
  });

  test("readers of the same place at a time share one request", async () => {
    const store = await open();
    await Promise.all(Array.from({ length: 50 }, () => read(store, 2 * MIB, 4096)));
    expect(requests.length).toBe(2);
  });

  test("it is a disk that is read-only, or writable where what is written goes elsewhere", async () => {
    const disk = await openDisk(url);
    expect([disk.readOnly, disk.byteLength]).toEqual([true, contents.length]);
    await disk.close();
    const writable = await openDisk(url, { snapshot: true });
    await writable.write(0, new Uint8Array(512).fill(1));
    const into = new Uint8Array(1024);
    await writable.read(0, into);
    expect([into[0], into[512]]).toEqual([1, contents[512]]);
    await writable.close();
  });
});

describe("a server with troubles is asked again", () => {
  test.each<[string, (request: IncomingMessage, response: ServerResponse) => void]>([
    ["that fails", (_request, response) => response.writeHead(503).end()],
    ["that hangs up", (request) => request.socket.destroy()],
    ["that says nothing", () => {}],
    [
      "that stops in the middle",
      (request, response) => {
        const [start, end] = rangeOf(request);
        response.writeHead(206, { etag: '"v1"', "content-range": `bytes ${start}-${end - 1}/${contents.length}` });
        response.write(contents.subarray(start, start + 10));
      },
    ],
    [
      "that sends less than it says",
      (request, response) => {
        const [start, end] = rangeOf(request);
        response.writeHead(206, { etag: '"v1"', "content-range": `bytes ${start}-${end - 1}/${contents.length}` });
        response.end(contents.subarray(start, end - 1));
      },
    ],
    [
      "that sends more than it says",
      (request, response) => {
        const [start, end] = rangeOf(request);
        response.writeHead(206, { etag: '"v1"', "content-range": `bytes ${start}-${end - 1}/${contents.length}` });
        response.end(contents.subarray(start - 512, end));
      },
    ],
    [
      "that sends another range",
      (request, response) => {
        const [start, end] = rangeOf(request);
        response.writeHead(206, {
          etag: '"v1"',
          "content-range": `bytes ${start + 512}-${end + 511}/${contents.length}`,
        });
        response.end(contents.subarray(start + 512, end + 512));
      },
    ],
  ])("%s once", async (_what, trouble) => {
    const store = await open();
    let troubles = 0;
    handler = (request, response) => (troubles++ === 0 ? trouble(request, response) : serve(request, response));
    expect((await read(store, MIB, 4096)).equals(contents.subarray(MIB, MIB + 4096))).toBe(true);
    expect(troubles).toBe(2);
  });

  test("but not for ever; and when it is well again, reading goes on", async () => {
    const store = await open();
    handler = (_request, response) => response.writeHead(500).end();
    await expect(read(store, 0, 512)).rejects.toThrow("the server answers with status 500");
    expect(requests.length).toBe(5);
    handler = serve;
    expect((await read(store, 0, 512)).equals(contents.subarray(0, 512))).toBe(true);
  });

  test("a server that stalls for ever fails the read in bounded time", async () => {
    const store = await open();
    handler = () => {};
    await expect(read(store, 0, 512)).rejects.toThrow("nothing came for 0.15 s");
  });
});

describe("a resource that has changed is an error from then on", () => {
  test.each<[string, Handler]>([
    ["by its entity tag", (request, response) => serve(request, response, {}, '"v2"')],
    [
      "though the condition is not looked at",
      (request, response) => {
        delete request.headers["if-range"];
        serve(request, response, {}, '"v2"');
      },
    ],
    [
      "by its length",
      (request, response) => {
        const [start, end] = rangeOf(request);
        serve(request, response, { "content-range": `bytes ${start}-${end - 1}/${contents.length + 512}` });
      },
    ],
    [
      "by its date",
      (request, response) => serve(request, response, { "last-modified": "Sun, 01 Nov 2026 00:00:00 GMT" }),
    ],
    ["by being shorter than what is asked for", (_request, response) => response.writeHead(416).end()],
  ])("%s", async (_what, changed) => {
    const store = await open();
    await read(store, 0, 512);
    handler = changed;
    await expect(read(store, 2 * MIB, 512)).rejects.toThrow("it has changed on the server");
    handler = serve;
    await expect(read(store, 2 * MIB, 512)).rejects.toThrow("it has changed on the server");
    await expect(read(store, 0, 512)).rejects.toThrow("it has changed on the server");
  });
});

describe("what is no disk is refused when it is opened", () => {
  test.each<[string, string, Handler]>([
    [
      "a server without ranges",
      "the server does not serve parts of it",
      (_request, response) => response.end(contents),
    ],
    ["nothing", "the server answers with status 404", (_request, response) => response.writeHead(404).end()],
    [
      "an unknown length",
      'the server says Content-Range: "bytes 0-0/*"',
      (request, response) => serve(request, response, { "content-range": "bytes 0-0/*" }),
    ],
    [
      "a compressed answer",
      'the server sends it in the encoding "gzip"',
      (request, response) => serve(request, response, { "content-encoding": "gzip" }),
    ],
  ])("%s", async (_what, reason, handle) => {
    handler = handle;
    await expect(open()).rejects.toThrow(/cannot be read: /);
    await expect(open()).rejects.toThrow(reason);
  });

  test("no server at all", async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await expect(open()).rejects.toThrow(/cannot be read: .*ECONNREFUSED/);
  });
});
