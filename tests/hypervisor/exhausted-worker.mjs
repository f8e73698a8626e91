/** A hypervisor's worker that uses up its heap when it is told to. */
import { parentPort } from "node:worker_threads";
import "../../dist/host/platform/node/hypervisor/host-worker.js";

parentPort.on("message", (message) => {
  if (message !== "exhaust") return;
  const kept = [];
  for (;;) kept.push(new Array(1000).fill(kept.length));
});
