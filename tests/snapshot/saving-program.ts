/** Saves one state after the other into the file it is given, and says so, until it is killed. */
import { openMachineFile } from "../../host/platform/node/machine-file/open-machine-file.js";
import { numberedState } from "./numbered-state.js";

const { file } = await openMachineFile(process.argv[2]!);
let number = Number(file.present?.instructions ?? 0n);
for (;;) {
  number++;
  // Some are named, and old ones deleted, as on a schedule.
  await file.save(numberedState(number), number % 5 === 0 ? { name: `s${number}`, automatic: true } : {});
  const old = file.snapshots.filter(({ kind, present }) => kind === "automatic" && !present).slice(0, -3);
  if (old.length > 0) await file.delete(old);
  process.stdout.write(`${number}\n`);
}
