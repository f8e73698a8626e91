import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { holdByDescriptor, holdByWorkingDirectory } from "../../../host/platform/node/share/held-directory.js";
import { HostFolder } from "../../../host/platform/node/share/host-folder.js";
import { Session } from "../../../host/share/session.js";
import { sharedFolderContract } from "../../contracts/shared-folder-contract.js";
import { P9Client, str, T, u32 } from "../../share/p9-client.js";

// The second way is that of hosts without /proc/self/fd; it works everywhere.
for (const [way, hold] of [
  ["by descriptor", holdByDescriptor],
  ["by working directory", holdByWorkingDirectory],
] as const) {
  if (hold === holdByDescriptor && process.platform !== "linux") continue;
  sharedFolderContract(`folder of the host, ${way}`, async () => {
    const path = mkdtempSync(join(tmpdir(), "viv-share-"));
    const folder = HostFolder.open(path, false, hold);
    return {
      folder,
      dispose() {
        folder.close();
        rmSync(path, { recursive: true });
      },
    };
  });

  test(`folder of the host, ${way}: fids below a directory that is renamed go on where it is`, async () => {
    const path = mkdtempSync(join(tmpdir(), "viv-share-"));
    try {
      const client = new P9Client(new Session(HostFolder.open(path, false, hold)));
      await client.begin();
      await client.mkdir(0, "a");
      await client.walk(0, 1, "a");
      await client.mkdir(1, "b");
      await client.walk(1, 2, "b");
      await client.mkdir(2, "before");
      await client.call(T.renameat, [u32(0), str("a"), u32(0), str("z")]);
      // Something else has the old name now.
      await client.mkdir(0, "a");
      await client.mkdir(2, "after");
      expect(readdirSync(join(path, "z/b")).sort()).toEqual(["after", "before"]);
    } finally {
      rmSync(path, { recursive: true });
    }
  });
}
