/** The network of a machine in a browser tab, with Node's `fetch`, which is the browsers', and a WebSocket to a relay. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { Nat } from "../../../host/network/nat/nat.js";
import { FetchOutside } from "../../../host/platform/browser/network/fetch-outside.js";
import { HttpRequestReader } from "../../../host/platform/browser/network/http-request.js";
import { RelayLink, type RelaySocket } from "../../../host/platform/browser/network/relay-link.js";
import { Relay } from "../../../host/platform/node/network/relay.js";
import { noise, sha256 } from "../../network/host-servers.js";
import { runInLinux } from "../../network/linux-guest.js";

const file = noise(300_000);
/** The browser's function, for which the one name there is stands for this host. */
const fetchHere: typeof fetch = (input, init) => fetch(String(input).replace("//web.test", "//127.0.0.1"), init);
let web: Server;
let port: number;

beforeAll(async () => {
  web = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    if (request.url === "/file") response.end(file);
    else if (request.url === "/missing") response.writeHead(404).end("not here\n");
    else response.end(`${request.method} ${request.headers["x-sign"] ?? ""} ${Buffer.concat(parts)}\n`);
  });
  await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
  port = (web.address() as AddressInfo).port;
});

afterAll(() => {
  web.close();
});

test("a guest's wget fetches by name through fetch, its post arrives, and what is no HTTP is reset", {
  timeout: 120_000,
}, async (context) => {
  const { stdout } = await runInLinux(
    context,
    `wget -qO- http://web.test:${port}/file | sha256sum; wget -qO- --post-data=body --header "X-Sign: mark" http://web.test:${port}/;` +
      `wget -qO- http://web.test:${port}/missing 2>&1; nslookup web.test | grep -o 198.18.0.0 | head -1; printf '\\026\\003\\001' | nc 10.0.2.2 443; echo $?;` +
      "wget -qO- http://10.0.2.2:1/ 2>&1; yes | head -c 5000000 > /run/large;" +
      `echo; wget -qO- --post-file=/run/large http://web.test:${port}/ | wc -c`,
    { networks: [{ link: new Nat({ outside: new FetchOutside({ fetch: fetchHere }) }) }] },
  );
  const lines = stdout.split("\n");
  expect(lines[0]).toBe(`${sha256(file)}  -`);
  expect(lines[1]).toBe("POST mark body");
  expect(lines[2]).toContain("404 Not Found");
  expect(lines[3]).toBe("198.18.0.0");
  expect(stdout).toContain("502 Bad Gateway");
  expect(lines.at(-2)).toBe(String("POST  \n".length + 5_000_000));
});

test("a relay's network comes over a WebSocket of the browser's kind, and again when the relay is back", {
  timeout: 120_000,
}, async (context) => {
  const options = { host: "127.0.0.1", port: 0, egress: [], rate: null, origins: [] };
  const relay = await Relay.open(options);
  const link = new RelayLink(relay.url, (url) => new WebSocket(url) as unknown as RelaySocket);
  const { stdout } = await runInLinux(
    context,
    `until wget -T 2 -qO /run/file http://10.0.2.2:${port}/file; do udhcpc -qn -t 3 -T 1 -i eth0 > /dev/null 2>&1; done; sha256sum < /run/file`,
    { networks: [{ link }] },
  );
  expect(stdout).toBe(`${sha256(file)}  -\n`);
  await link.close();
  await relay.close();
});

describe("requests", () => {
  const read = (text: string) => new HttpRequestReader().push(Buffer.from(text, "latin1"));

  test("are whole when their head and their body are", () => {
    const text = "POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
    for (let length = 0; length < text.length; length++) expect(read(text.slice(0, length))).toBe("more");
    expect(read(text)).toMatchObject({ method: "POST", path: "/a?b", body: new Uint8Array(Buffer.from("abc")) });
  });

  test("may come in chunks, and with the whole URL", () => {
    const chunked = "PUT http://x/y HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3;x=y\r\ncde\r\n0\r\n\r\n";
    expect(read(chunked)).toMatchObject({ path: "/y", body: new Uint8Array(Buffer.from("abcde")) });
    expect(read(chunked.slice(0, -5))).toBe("more");
  });

  test.each([
    "POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde",
    "POST /a?b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3;x=y\r\ncde\r\n0\r\nX: trailer\r\n\r\n",
  ])("are the same however they are cut: %j", (text) => {
    for (let pieceLength = 1; pieceLength < text.length; pieceLength++) {
      const reader = new HttpRequestReader();
      let request = reader.push(new Uint8Array());
      for (let at = 0; at < text.length; at += pieceLength) {
        expect(request).toBe("more");
        request = reader.push(Buffer.from(text.slice(at, at + pieceLength), "latin1"));
      }
      expect(request).toMatchObject({ path: "/a?b", body: new Uint8Array(Buffer.from("abcde")) });
    }
  });

  test.each([
    "\x16\x03\x01",
    "get / HTTP/1.1\r\n\r\n",
    "GET / HTTP/2.0\r\n\r\n",
    "GET x HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nno header\r\n\r\n",
    "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    "GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
    "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
    `PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;${"x".repeat(300)}`,
  ])("%j is none", (text) => expect(read(text)).toBe("bad"));

  test("end within 64 KiB of headers", () => {
    expect(read(`GET / HTTP/1.1\r\nX: ${"x".repeat(70_000)}`)).toBe("bad");
  });
});
