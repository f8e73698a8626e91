/** A program with a hypervisor that is going to be killed: `killed-program.ts DIRECTORY IMAGE`. */
import { setTimeout as sleep } from "node:timers/promises";
import { createHypervisor, letters } from "./test-hypervisor.js";

const [directory, image] = process.argv.slice(2);
const hypervisor = await createHypervisor({ directory: directory! });
await hypervisor.machines.create(letters(image!, "auto", { autostart: true }));
const saved = await hypervisor.machines.create(letters(image!, "saved"));
await hypervisor.machines.create(letters(image!, "plain", { description: "never saved" }));
await saved.snapshots.create("point");
process.stdout.write("ready\n");
await sleep(1_000_000);
