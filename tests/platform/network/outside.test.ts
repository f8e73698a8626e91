import type { AddressInfo } from "node:net";
import { createServer, type Server } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { OutsideStream } from "../../../host/network/nat/outside.js";
import { NodeOutside } from "../../../host/platform/node/network/outside.js";
import { SocketBudget } from "../../../host/platform/node/network/socket-budget.js";

const LOOPBACK = Uint8Array.of(127, 0, 0, 1);
let server: Server;
let port: number;

beforeAll(async () => {
  server = createServer((socket) => socket.on("error", () => {}));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ({ port } = server.address() as AddressInfo);
});
afterAll(() => {
  server.close();
});

/** @returns the stream, or null when there was none to be had */
async function connect(outside: NodeOutside): Promise<OutsideStream | null> {
  return new Promise((resolve) => {
    const stream = outside.connect(
      { address: LOOPBACK, port },
      {
        connected: () => resolve(stream),
        received: () => {},
        ended: () => {},
        drained: () => {},
        failed: () => resolve(null),
        closed: () => {},
      },
    );
  });
}

async function connectAll(outside: NodeOutside): Promise<OutsideStream[]> {
  const streams: OutsideStream[] = [];
  for (let each = await connect(outside); each !== null; each = await connect(outside)) streams.push(each);
  return streams;
}

const closed = () => new Promise((resolve) => setTimeout(resolve, 50));

test("sockets: a guest has two thirds of what there is at most, the next as much of the rest, and gives back what it had", async () => {
  const first = new NodeOutside(new SocketBudget(12));
  const second = first.forGuest();
  const ofFirst = await connectAll(first);
  expect(ofFirst.length).toBe(8);
  expect((await connectAll(second)).length).toBe(3);
  for (const stream of ofFirst) stream.abort();
  await closed();
  expect((await connectAll(first)).length).toBe(6);
});

test("sockets: datagrams count as well, and those for which there is no socket are lost", async () => {
  const outside = new NodeOutside(new SocketBudget(3));
  const open = () => outside.openDatagrams(4, () => {});
  const two = [open(), open()];
  const lost = open();
  lost.send(Uint8Array.of(1), { address: LOOPBACK, port });
  expect(await connect(outside)).toBeNull();
  lost.close();
  two[0]!.close();
  await closed();
  const stream = await connect(outside);
  expect(stream).not.toBeNull();
  stream?.abort();
  two[1]!.close();
});
