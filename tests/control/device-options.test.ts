import { expect, test } from "vitest";
import { readRunOptions } from "../../host/control/run-options.js";

const machineOf = (options: Parameters<typeof readRunOptions>[0]) => readRunOptions(options).machine;

test("share: a mount point gets a tag, and the kernel is told to mount it as systemd words it", () => {
  const { shares, guest } = machineOf({ share: ["./work:/mnt/work", "/a:b:/srv/x/,readonly"], append: "debug" });
  expect(shares).toEqual([
    { directory: "./work", tag: "share0", readOnly: false },
    { directory: "/a:b", tag: "share1", readOnly: true },
  ]);
  // systemd-fstab-generator(8): WHAT:WHERE:FSTYPE:OPTIONS.
  expect(guest).toMatchObject({
    append:
      "debug systemd.mount-extra=share0:/mnt/work:9p:rw,nofail,trans=virtio,version=9p2000.L,msize=512000,cache=mmap " +
      "systemd.mount-extra=share1:/srv/x:9p:ro,nofail,trans=virtio,version=9p2000.L,msize=512000,cache=mmap",
  });
  expect(machineOf({ kernel: "Image", share: ["w:/mnt/w"] }).guest).toMatchObject({
    commandLine: expect.stringMatching(/^systemd\.mount-extra=share0:\/mnt\/w:9p:/),
  });
});

test("share: anything else is the mount tag, and the kernel is told nothing", () => {
  const { shares, guest } = machineOf({ share: ["work:host0,readonly"] });
  expect(shares).toEqual([{ directory: "work", tag: "host0", readOnly: true }]);
  expect(guest).toMatchObject({ append: "" });
  expect(machineOf({ bare: "program", share: ["work:/mnt/x"] }).guest).toEqual({ kind: "bare", program: "program" });
});

test.each([
  [["work"], "does not say where it goes"],
  [[":/mnt"], "names no directory"],
  [["work:"], "is no mount tag"],
  [["work:a b"], "is no mount tag"],
  [[`work:${"x".repeat(33)}`], "is no mount tag"],
  [["work:/mnt/a b"], "is no mount point"],
  [["work:/mnt/../etc"], "is no mount point"],
  [["work:/"], "is no mount point"],
  [["a:x", "b:x"], "two folders have the mount tag x"],
  [["a:/x", "b:/x/"], "two folders are to be mounted at /x"],
  [Array.from({ length: 7 }, (_, index) => `a:t${index}`), "7 folders; expected at most 6"],
])("share: %j is refused", (share, message) => {
  expect(() => readRunOptions({ share })).toThrow(`--share: `);
  expect(() => readRunOptions({ share })).toThrow(message);
});

test("vsock: an address, and a file for its sockets", () => {
  expect(machineOf({ vsock: "3" }).socket).toEqual({ cid: 3 });
  expect(machineOf({ vsock: "4294967294,socket=/run/v" }).socket).toEqual({ cid: 4294967294, path: "/run/v" });
  for (const vsock of ["", "2", "4294967295", "x", "3,", "3,socket=", "-3", "3,port=1"]) {
    expect(() => readRunOptions({ vsock }), vsock).toThrow("--vsock: ");
  }
});

test("balloon: an amount that leaves the guest something", () => {
  expect(machineOf({ balloon: true }).balloon).toEqual({ byteLength: 0 });
  expect(machineOf({ balloon: "64MiB" }).balloon).toEqual({ byteLength: 64 << 20 });
  for (const balloon of ["x", "", "500MiB", "1"]) {
    expect(() => readRunOptions({ balloon }), balloon).toThrow("expected a multiple of 4KiB up to 480MiB");
  }
});

test("input: keyboards and tablets, four at most", () => {
  expect(machineOf({ input: ["keyboard", "tablet"] }).inputs).toEqual(["keyboard", "tablet"]);
  expect(() => readRunOptions({ input: ["mouse"] })).toThrow("expected keyboard or tablet");
  expect(() => readRunOptions({ input: Array(5).fill("tablet") })).toThrow("at most 4");
});
