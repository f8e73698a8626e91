import { expect, test } from "vitest";
import {
  readExportOptions,
  readForkOptions,
  readImportOptions,
  readOpenOptions,
  readReplayOptions,
  readSnapshotOptions,
} from "../../host/control/file-options.js";
import { readKeep } from "../../host/control/keep-options.js";

test("a machine with a file keeps it with or without a schedule", () => {
  expect(readKeep({}, undefined)).toBeNull();
  expect(readKeep({}, "lab.viv")).toEqual({ file: "lab.viv", schedule: null, record: false });
  expect(readKeep({ snapshotEvery: "10m" }, "lab.viv")?.schedule).toEqual({ everyMs: 600_000, keepCount: 6 });
  expect(readKeep({ snapshotEvery: "30s", keep: "2" }, "lab.viv")?.schedule).toEqual({ everyMs: 30_000, keepCount: 2 });
});

test.each([
  [{ snapshotEvery: "10m" }, undefined, "--snapshot-every needs --save"],
  [{ keep: "3" }, "lab.viv", "--keep needs --snapshot-every"],
  [{ snapshotEvery: "10" }, "lab.viv", '--snapshot-every: "10" is no time; expected 1s to 7d'],
  [{ snapshotEvery: "8d" }, "lab.viv", '--snapshot-every: "8d" is no time'],
  [{ snapshotEvery: "0s" }, "lab.viv", '--snapshot-every: "0s" is no time'],
  [{ snapshotEvery: "1m", keep: "0" }, "lab.viv", '--keep: "0" is no number of snapshots; expected 1 to 1000'],
  [{}, "", "the file name is empty"],
])("%j with file %j is refused", (options, file, message) => {
  expect(() => readKeep(options, file)).toThrow(message);
});

test("viv open is told by what file the sockets of an address are reached", () => {
  expect(readOpenOptions("lab.viv", { vsock: "3,socket=/tmp/guest" })).toMatchObject({
    socket: { cid: 3, path: "/tmp/guest" },
  });
  expect(() => readOpenOptions("lab.viv", { vsock: "3" })).toThrow(
    '--vsock: "3" names no file; expected 3,socket=FILE',
  );
});

test("viv replay says where to stop in one way, and which history in one", () => {
  expect(
    readReplayOptions("lab.viv", { until: "400", history: "2", translate: "off", json: true, save: "then.viv" }),
  ).toEqual({
    action: "replay",
    file: "lab.viv",
    history: 2,
    until: 400n,
    save: "then.viv",
    translate: "off",
    translationByteLengthMax: 64 << 20,
    json: true,
  });
  expect(readReplayOptions("lab.viv", { back: "0", from: "clean" })).toMatchObject({ back: 0n, from: "clean" });
  for (const [options, message] of [
    [{ until: "1", back: "1" }, "--until and --back exclude each other"],
    [{ history: "1", from: "clean" }, "--history and --from exclude each other"],
    [{ until: "-1" }, "--until"],
    [{ back: "1e9" }, "--back"],
    [{ history: "0" }, "--history"],
    [{ save: "" }, "--save"],
  ] as const) {
    expect(() => readReplayOptions("lab.viv", options)).toThrow(message);
  }
});

test("a history is recorded only in a file that may change", () => {
  expect(readKeep({ record: true }, "lab.viv")).toEqual({ file: "lab.viv", schedule: null, record: true });
  expect(() => readKeep({ record: true }, undefined)).toThrow("--record needs --save");
  expect(() => readOpenOptions("lab.viv", { record: true, discard: true })).toThrow("--discard and --record exclude");
});

test("viv open is told where disks are that are not in the file, as viv run is", () => {
  expect(readOpenOptions("lab.viv", { drive: ["a.img", "b,c.qcow2,iops=10"] })).toMatchObject({
    drives: [
      { file: "a.img", snapshot: false },
      { file: "b,c.qcow2", limits: { operationsPerSecond: 10 } },
    ],
  });
  expect(readOpenOptions("lab.viv", { drive: ["a.img,snapshot"], discard: true })).toMatchObject({
    drives: [{ snapshot: true }],
  });
  const drives = (...drive: string[]) => readOpenOptions("lab.viv", { drive });
  expect(() => drives("a.img,snapshot")).toThrow("--drive a.img: snapshot needs --discard");
  expect(() => drives("a.img,serial=x")).toThrow("--drive a.img: serial= is for viv run");
  expect(() => drives(...new Array<string>(7).fill("a.img"))).toThrow("--drive: 7 drives; expected at most 6");
});

test("viv open goes on at the console or with a command", () => {
  expect(readOpenOptions("lab.viv", {})).toEqual({
    action: "open",
    keep: { file: "lab.viv", schedule: null, record: false },
    discard: false,
    keepIdentity: false,
    drives: [],
    networks: [],
    shares: [],
    translate: "on",
    translationByteLengthMax: 64 << 20,
    stats: false,
  });
  expect(readOpenOptions("lab.viv", { net: ["user"], share: ["work:host0"], translate: "off" })).toMatchObject({
    networks: [{ link: { kind: "user" } }],
    shares: [{ directory: "work", tag: "host0" }],
    translate: "off",
  });
  expect(readOpenOptions("lab.viv", { net: ["user"], limits: "limits", pcap: "lab.pcap" })).toMatchObject({
    limits: "limits",
    capture: "lab.pcap",
  });
  expect(() => readOpenOptions("lab.viv", { pcap: "lab.pcap" })).toThrow("--pcap needs --net");
  expect(readOpenOptions("lab.viv", { exec: "true", discard: true })).toMatchObject({ command: "true", discard: true });
  expect(() => readOpenOptions("lab.viv", { exec: " " })).toThrow("--exec: the command is empty");
  expect(() => readOpenOptions("lab.viv", { discard: true, snapshotEvery: "1m" })).toThrow("exclude each other");
});

test("viv snapshot names a point or deletes some", () => {
  expect(readSnapshotOptions("lab.viv", "a", {})).toEqual({ action: "snapshot", file: "lab.viv", name: "a" });
  expect(readSnapshotOptions("lab.viv", undefined, { delete: ["a", "b"] })).toMatchObject({ names: ["a", "b"] });
  expect(() => readSnapshotOptions("lab.viv", undefined, {})).toThrow("the snapshot has no name");
  expect(() => readSnapshotOptions("lab.viv", "a", { delete: ["b"] })).toThrow("--delete takes the names");
  expect(() => readSnapshotOptions("lab.viv", "a/b", {})).toThrow("is no name");
});

test("viv fork makes 1 to 100 machines", () => {
  expect(readForkOptions("lab.viv", {})).toMatchObject({ count: 1, keepIdentity: false });
  expect(readForkOptions("lab.viv", { count: "3" })).toMatchObject({ count: 3 });
  for (const count of ["0", "101", "x", "-1", ""]) {
    expect(() => readForkOptions("lab.viv", { count })).toThrow("expected 1 to 100");
  }
});

test("streams go to and come from files, or standard output and input", () => {
  expect(readExportOptions("lab.viv", "-", {})).toEqual({ action: "export", file: "lab.viv" });
  expect(readExportOptions("lab.viv", "out", { passphraseFile: "p" })).toMatchObject({
    output: "out",
    passphraseFile: "p",
  });
  expect(readImportOptions("-", "lab.viv", {})).toEqual({ action: "import", file: "lab.viv", keepIdentity: false });
  expect(readImportOptions("in", "lab.viv", {})).toMatchObject({ input: "in" });
});
