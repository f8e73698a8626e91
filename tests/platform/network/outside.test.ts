import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
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
  const open = () => outside.openDatagrams(4, { received: () => {}, refused: () => {} });
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

/** A UDP socket on the host's loopback. */
async function listen(): Promise<{ readonly socket: Socket; readonly at: { address: Uint8Array; port: number } }> {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  return { socket, at: { address: LOOPBACK, port: socket.address().port } };
}

test("datagrams: a closed port is told of each time, and when somebody listens there he is heard", {
  timeout: 5000,
}, async () => {
  const { socket: before, at } = await listen();
  before.close();
  await once(before, "close");
  const told: (() => void)[] = [];
  const heard: string[] = [];
  const datagrams = new NodeOutside().openDatagrams(4, {
    received: (bytes) => {
      heard.push(Buffer.from(bytes).toString());
      told.shift()?.();
    },
    refused: (to) => {
      heard.push(`refused ${to.port === at.port}`);
      told.shift()?.();
    },
  });
  const ask = () =>
    new Promise<void>((resolve) => {
      told.push(resolve);
      datagrams.send(Buffer.from("ask"), at);
    });
  await ask();
  await ask();
  const now = createSocket("udp4").bind(at.port, "127.0.0.1");
  await once(now, "listening");
  now.on("message", (_bytes, from) => now.send("answer", from.port, from.address));
  await ask();
  expect(heard).toEqual(["refused true", "refused true", "answer"]);
  datagrams.close();
  now.close();
});

test("datagrams: a socket keeps its port when it talks to others, and hears each of them", {
  timeout: 5000,
}, async () => {
  const servers = await Promise.all([listen(), listen(), listen()]);
  const ports: number[] = [];
  for (const { socket } of servers) {
    socket.on("message", (_bytes, from) => {
      ports.push(from.port);
      socket.send("answer", from.port, from.address);
    });
  }
  const heard = new Set<number>();
  let count = 0;
  await new Promise<void>((resolve) => {
    const datagrams = new NodeOutside().openDatagrams(4, {
      received: (_bytes, { port }) => {
        heard.add(port);
        count++;
        // The first while it is the only one, then all of them.
        if (count === 1) for (const { at } of servers) datagrams.send(Buffer.from("ask"), at);
        if (count === 4) {
          datagrams.close();
          resolve();
        }
      },
      refused: () => {},
    });
    datagrams.send(Buffer.from("ask"), servers[0]!.at);
  });
  expect(heard).toEqual(new Set(servers.map(({ at }) => at.port)));
  expect(new Set(ports).size).toBe(1);
  for (const { socket } of servers) socket.close();
});

test.skipIf(process.getuid?.() !== 0)(
  "datagrams: a server of TFTP, whose port only root may have, is heard when it answers by another port",
  async () => {
    const [asked, answering] = [createSocket("udp4"), createSocket("udp4")];
    try {
      await once(asked.bind(69, "127.0.0.1"), "listening");
      asked.on("message", (_, { port: from, address }) => answering.send("block", from, address));
      const answer = await new Promise<string>((resolve) => {
        const datagrams = new NodeOutside().openDatagrams(4, {
          received: (bytes) => {
            resolve(Buffer.from(bytes).toString());
            datagrams.close();
          },
          refused: () => resolve("refused"),
        });
        datagrams.send(Buffer.from("read"), { address: LOOPBACK, port: 69 });
      });
      expect(answer).toBe("block");
    } finally {
      asked.close();
      answering.close();
    }
  },
);
