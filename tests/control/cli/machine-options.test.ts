import { describe, expect, test } from "vitest";
import { isMachineName } from "../../../host/control/cli/daemon-action.js";
import { cpuOf, readCreateOptions, readSetOptions } from "../../../host/control/cli/machine-options.js";

describe("viv create", () => {
  test("create: what is not given is left to the hypervisor's defaults", () => {
    expect(readCreateOptions("web", {})).toEqual({ name: "web" });
  });

  test("create: options become the request, percentages of one processor become processors", () => {
    const request = readCreateOptions("web", {
      image: "debian-mini",
      memory: "1GiB",
      harts: "2",
      shares: "200",
      limit: "50%",
      reservation: "0.25",
      pool: "lab",
      net: ["user", "none"],
      share: ["/srv/work:/mnt/work,readonly"],
      append: "quiet",
      autostart: true,
      restart: "always",
      saveEvery: "10m",
      isolated: true,
      virtio: "legacy",
      start: false,
    });
    expect(request).toMatchObject({
      name: "web",
      image: "debian-mini",
      memoryMiB: 1024,
      harts: 2,
      cpu: { shares: 200, limit: 0.5, reservation: 0.25 },
      pool: "lab",
      networks: ["user"],
      folders: [{ directory: "/srv/work", tag: "share0", readOnly: true }],
      autostart: true,
      restart: "always",
      saveEverySeconds: 600,
      isolated: true,
      virtio: "legacy",
      start: false,
    });
    expect(request.append).toMatch(/^quiet systemd\.mount-extra=share0:\/mnt\/work:9p:ro,/);
  });

  test("create: each option that cannot be used is refused by its name, with what would be accepted", () => {
    const refused = (options: Parameters<typeof readCreateOptions>[1], message: RegExp, name = "web") =>
      expect(() => readCreateOptions(name, options)).toThrow(message);
    refused({}, /no name of a machine; expected 1 to 63/, "Web");
    refused({}, /no name of a machine/, "../web");
    refused({}, /no name of a machine/, "-web");
    refused({ memory: "much" }, /^--memory: "much" is not an amount.*256MiB/);
    refused({ memory: "100KiB" }, /^--memory: .*whole number of MiB/);
    refused({ harts: "two" }, /^--harts: "two"/);
    refused({ limit: "half" }, /^--limit: "half".*50% or 1\.5, or none/);
    refused({ reservation: "none" }, /^--reservation: "none"/);
    refused({ restart: "sometimes" }, /^--restart: .*never, on-failure, always/);
    for (const saveEvery of ["0s", "8d", "10", "often"]) refused({ saveEvery }, /^--save-every: .*1s to 7d.*or never/);
    refused({ virtio: "old" }, /^--virtio: "old" is no interface; expected modern or legacy/);
  });
});

describe("viv set", () => {
  test("set: no limit is null, and a change of nothing is refused", () => {
    expect(readSetOptions("web", { limit: "none", memoryTarget: "64MiB" })).toEqual({
      machine: "web",
      cpu: { limit: null },
      memoryTargetMiB: 64,
    });
    expect(readSetOptions("web", { saveEvery: "never", isolated: false })).toEqual({
      machine: "web",
      saveEverySeconds: null,
      isolated: false,
    });
    expect(() => readSetOptions("web", {})).toThrow("nothing to change");
    expect(cpuOf({})).toEqual({});
  });
});

describe("which machine", () => {
  test("names: what could be a machine's name is one, and everything else is a file", () => {
    for (const name of ["web", "web-1", "0", "a".repeat(63)]) expect(isMachineName(name), name).toBe(true);
    for (const file of ["web.viv", "./web", "/tmp/web", "Web", "-web", "web-", "a".repeat(64), "", "wéb", "a b"]) {
      expect(isMachineName(file), file).toBe(false);
    }
  });
});
