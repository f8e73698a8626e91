import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { holdByDescriptor, holdByWorkingDirectory } from "../../../host/platform/node/share/held-directory.js";
import { HostFolder } from "../../../host/platform/node/share/host-folder.js";
import { sharedFolderContract } from "../../contracts/shared-folder-contract.js";

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
}
