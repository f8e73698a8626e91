/**
 * Plays the host's or another guest's program that waits for the moment between a check and a use: swaps a directory and
 * a file for links to the outside and back, as fast as it can, until it is killed. Arguments: folder, outside.
 */
import { renameSync, symlinkSync, unlinkSync, writeSync } from "node:fs";

const [folder, outside] = process.argv.slice(2);
process.chdir(folder);
for (let round = 0; ; round++) {
  renameSync("d", "d.kept");
  symlinkSync(outside, "d");
  unlinkSync("d");
  renameSync("d.kept", "d");
  renameSync("f", "f.kept");
  symlinkSync(`${outside}/secret`, "f");
  unlinkSync("f");
  renameSync("f.kept", "f");
  if (round === 0) writeSync(1, "swapping\n");
}
