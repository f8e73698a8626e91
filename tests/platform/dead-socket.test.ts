import { existsSync, linkSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SocketLink } from "../../host/platform/node/network/socket-link.js";
import { VsockSockets } from "../../host/platform/node/vsock-sockets.js";

const directory = mkdtempSync(join(tmpdir(), "viv-dead-"));
const at = (name: string): string => join(directory, name);
let server: Server;

beforeAll(async () => {
  server = createServer((socket) => socket.on("error", () => {}));
  await new Promise<void>((resolve) => server.listen(at("alive"), resolve));
  writeFileSync(at("file"), "");
});
afterAll(() => {
  server.close();
  rmSync(directory, { recursive: true });
});

/** A socket as a program leaves it that is killed: a second name, which outlives the first. */
async function leaveSocket(name: string): Promise<void> {
  const killed = createServer();
  await new Promise<void>((resolve) => killed.listen(at("killed"), resolve));
  linkSync(at("killed"), at(name));
  await new Promise((resolve) => killed.close(resolve));
}

const uses: [string, (path: string) => Promise<{ close(): Promise<void> }>][] = [
  ["--vsock", (path) => VsockSockets.open(path)],
  ["--net socket,listen=", (path) => SocketLink.listen({ kind: "unix", path })],
];

test.each(uses)("%s listens where a program that was killed has left its socket", async (_, open) => {
  await leaveSocket("dead");
  const listening = await open(at("dead"));
  await listening.close();
  expect(existsSync(at("dead"))).toBe(false);
});

test.each(uses)("%s leaves alone what somebody listens at, and what is no socket", async (_, open) => {
  await expect(open(at("alive"))).rejects.toThrow(at("alive"));
  await expect(open(at("file"))).rejects.toThrow(at("file"));
  expect([existsSync(at("alive")), existsSync(at("file"))]).toEqual([true, true]);
});
