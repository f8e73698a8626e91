/** The NAT's TCP against Linux's in a guest and the host's behind Node's sockets, over a cable that loses frames. */
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { Nat } from "../../../host/network/nat/nat.js";
import { NodeOutside } from "../../../host/platform/node/network/outside.js";
import { type Faults, FaultyLink } from "../faulty-link.js";
import { listen, noise, sha256 } from "../host-servers.js";
import { runInLinux } from "../linux-guest.js";

const MIB = 1 << 20;
const NO_FAULTS: Faults = { loss: 0, duplication: 0, reordering: 0 };

interface Bench {
  readonly nat: Nat;
  readonly cable: FaultyLink;
}

function bench(faults: Faults, seed = 1): Bench {
  const outside = new NodeOutside();
  const nat = new Nat({ outside });
  return { nat, cable: new FaultyLink(nat, faults, outside, seed) };
}

describe.each<[string, Faults, number]>([
  ["a good cable", NO_FAULTS, 2 * MIB],
  ["a cable that loses every fiftieth frame", { ...NO_FAULTS, loss: 0.02 }, MIB / 2],
  ["a cable that loses, doubles and delays frames", { loss: 0.03, duplication: 0.05, reordering: 0.1 }, MIB / 4],
])("over %s", (_what, faults, byteLength) => {
  // The cable is a good one until the guest has its address.
  test("everything arrives unchanged in both directions, on several connections at once, and each end is seen", async (context) => {
    const { nat, cable } = bench(NO_FAULTS);
    const contents = noise(byteLength);
    const received: string[] = [];
    const port = await listen((socket) => {
      cable.faults = faults;
      const hash = createHash("sha256");
      socket.on("data", (bytes) => hash.update(bytes));
      socket.on("end", () => received.push(hash.digest("hex")));
      socket.end(contents);
    });
    // What a program has left behind Linux still sends, and sends once more: the guest waits until it has all arrived.
    const { stdout, status } = await runInLinux(
      context,
      "for n in 1 2 3 4; do" +
        ` { nc 10.0.2.2 ${port} > /run/in$n; nc 10.0.2.2 ${port} < /run/in$n | sha256sum; } & done; wait;` +
        " while grep -qE '^ *[0-9]+: [0-9A-F:]+ [0-9A-F:]+ (01|04|08|09|0B) ' /proc/net/tcp; do sleep 0.1; done",
      { networks: [{ link: cable }] },
    );
    const hash = sha256(contents);
    expect(stdout).toBe(`${hash}  -\n`.repeat(4));
    expect(status).toBe(0);
    expect(received.filter((each) => each === hash).length).toBe(4);
    if (faults.loss > 0) expect(cable.lostCount).toBeGreaterThan(10);
    await cable.close();
    expect(nat.usage).toEqual({ tcp: 0, udp: 0, byteLength: 0 });
  });
});
