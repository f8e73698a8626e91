/** The program of a machine's worker. */
import { parentPort } from "node:worker_threads";
import { serveMachine } from "../../api/machine-server.js";
import { assert } from "../../util/errors.js";
import { NodeWorkerPlatform } from "./node-worker-platform.js";

assert(parentPort !== null, "this program is a worker's");
serveMachine(new NodeWorkerPlatform(parentPort));
