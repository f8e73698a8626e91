import { expect, test } from "vitest";
import { Leases } from "../../../host/network/nat/leases.js";

test("nat: each guest keeps its address; a machine that comes again by another Ethernet address is the newest", () => {
  const leases = new Leases();
  const [old, renewed] = [1, 2].map((last) => Uint8Array.of(0x52, 0x54, 0, 0, 0, last));
  expect([...leases.newest4]).toEqual([10, 0, 2, 15]);
  expect([...leases.address4(old!)!]).toEqual([10, 0, 2, 15]);
  expect([...leases.address4(renewed!)!]).toEqual([10, 0, 2, 16]);
  expect([...leases.newest4]).toEqual([10, 0, 2, 16]);
  expect([...leases.address4(old!)!]).toEqual([10, 0, 2, 15]);
  expect([...leases.newest4]).toEqual([10, 0, 2, 16]);
});
