/** A worker of `measure.ts`: runs one thread of machines and tells what they had. */
import { parentPort, workerData } from "node:worker_threads";
import { runThread, type ThreadSpec } from "./thread.js";

parentPort?.postMessage(await runThread(workerData as ThreadSpec));
