import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { expect, test } from "vitest";
import { Nat } from "../../../host/network/nat/nat.js";
import { NodeOutside } from "../../../host/platform/node/network/outside.js";
import { PortForwards } from "../../../host/platform/node/network/port-forwards.js";

test("a forward that ends waits for nobody who is connected, and its port is free again", async () => {
  const nat = new Nat({ outside: new NodeOutside(), mtu: 1500 });
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  const forward = { protocol: "tcp", host: "127.0.0.1", port, guestAddress: null, guestPort: 22 } as const;
  const forwards = await PortForwards.open(nat, [forward]);
  // A guest that never answers: this connection is neither closed nor refused.
  const client = connect({ port, host: "127.0.0.1" });
  client.on("error", () => {});
  await once(client, "connect");

  await forwards.close();
  const next = await PortForwards.open(nat, [forward]);
  expect(client.destroyed).toBe(false);
  const closed = new Promise((resolve) => client.once("close", resolve));
  await next.close();
  await nat.close();
  await closed;
});
