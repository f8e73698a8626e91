/** Runs the daemon with a hypervisor that has no machines behind it: `tsx tests/platform/serve/fake-daemon.ts DIR [PORT]`. */
import { readServeOptions } from "../../../host/control/serve-options.js";
import { Daemon } from "../../../host/platform/node/serve/daemon.js";
import { FakeHypervisor } from "./fake-hypervisor.js";

const [directory, port = "8440"] = process.argv.slice(2);
if (directory === undefined) throw new Error("expected a directory for the daemon's state");
const daemon = await Daemon.open(
  {
    ...readServeOptions({ listen: `127.0.0.1:${port}` }),
    data: directory,
    standardDirectory: directory,
    log: (line) => process.stderr.write(`${line}\n`),
  },
  async () => new FakeHypervisor({ delayMs: 500 }),
);
console.log(daemon.consoleUrl ?? daemon.url);
process.once("SIGTERM", () => void daemon.close());
process.once("SIGINT", () => void daemon.close());
