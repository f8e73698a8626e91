import { expect, test } from "vitest";
import { refusalOf } from "../../../host/platform/node/share/host-errno.js";
import { HostFolder } from "../../../host/platform/node/share/host-folder.js";
import { ownersFor } from "../../../host/platform/node/share/owners.js";

test("owners: to root they are what they are; to anybody else, their own are the guest's root's", () => {
  const root = ownersFor(0, 0);
  expect([0, 1000].map((id) => root.guestUid(id))).toEqual([0, 1000]);
  expect(root.canGive).toBe(true);
  const user = ownersFor(1000, 100);
  expect([1000, 0, 7].map((id) => user.guestUid(id))).toEqual([0, 65534, 7]);
  expect([100, 0, 7].map((id) => user.guestGid(id))).toEqual([0, 65534, 7]);
  expect(user.canGive).toBe(false);
});

test.each([
  ["ENOSPC", 28],
  ["EDQUOT", 122],
  ["EACCES", 13],
  ["ENOTSUP", 95],
  ["EBADF", 116],
  ["EWHATEVER", 5],
])("refusals: the host's %s is the guest's %i", (code, errno) => {
  expect(refusalOf(Object.assign(new Error(code), { code })).errno).toBe(errno);
});

test("a folder that cannot be shared is told in one line", () => {
  expect(() => HostFolder.open("/nowhere/at/all", false)).toThrow(
    "--share: /nowhere/at/all does not exist; expected a directory",
  );
  expect(() => HostFolder.open("/etc/passwd", false)).toThrow(
    "--share: /etc/passwd is no directory; expected a directory",
  );
});
