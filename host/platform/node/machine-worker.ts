/** The program of a machine's worker. */
import { parentPort, workerData } from "node:worker_threads";
import { serveMachine } from "../../api/machine-server.js";
import { warmUp } from "../../api/warm-up.js";
import { assert } from "../../util/errors.js";
import { NodeWorkerPlatform } from "./node-worker-platform.js";
import type { NodeWorkerData } from "./worker-data.js";

assert(parentPort !== null, "this program is a worker's");
const { core } = (workerData ?? {}) as NodeWorkerData;
const platform = new NodeWorkerPlatform(parentPort, core);
serveMachine(platform);
if (core !== undefined) await warmUp(platform, core);
