/** The program of a hypervisor's worker. */
import { parentPort } from "node:worker_threads";
import { hostMachines } from "../../../hypervisor/worker/machine-host.js";
import { assert } from "../../../util/errors.js";
import { NodeHostingPlatform } from "./node-hosting-platform.js";

assert(parentPort !== null, "this program is a worker's");
// Each machine's open file has its lock, which is released at exit.
process.setMaxListeners(0);
hostMachines(new NodeHostingPlatform(parentPort));
