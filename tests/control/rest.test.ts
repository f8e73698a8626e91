import { describe, expect, it } from "vitest";
import { restRequest } from "../../host/control/hypervisor/rest.js";

describe("requests for actions", () => {
  it("put names into the path and the rest into the query of a GET", () => {
    expect(restRequest("machine.logs", { machine: "web", lines: 5 })).toEqual({
      method: "GET",
      target: "/v1/machines/web/logs?lines=5",
      body: null,
    });
  });
  it("put the rest into the body of what changes something", () => {
    expect(restRequest("machine.set", { machine: "web", cpu: { shares: 400 } })).toEqual({
      method: "PATCH",
      target: "/v1/machines/web",
      body: { cpu: { shares: 400 } },
    });
  });
  it("keep a name from being anything but one part of the path", () => {
    expect(restRequest("snapshot.delete", { machine: "web", snapshot: "../../../tokens?x#y" }).target).toBe(
      "/v1/machines/web/snapshots/..%2F..%2F..%2Ftokens%3Fx%23y",
    );
  });
});
