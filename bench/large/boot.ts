import { commandLineFor } from "../../host/images/command-line.js";
import type { LargeFigure } from "../subject.js";
import { withGuestFiles } from "./guest-files.js";
import { FigureCollector, type LargeSetting } from "./large-subject.js";

export const BOOT = "boot";
const PROMPT = "root@vivarium:~# ";
const TIMEOUT_MS = 120_000;

/** From the start of the program on this host to the guest's first shell prompt. */
export async function measureBoot(setting: LargeSetting): Promise<LargeFigure[]> {
  const { image, systems, runs, progress } = setting;
  const figures = new FigureCollector();
  await withGuestFiles(image, [], commandLineFor(image.commandLine, { kind: "interactive" }), async (guest) => {
    for (let run = 0; run < runs; run++) {
      for (const { system, start } of systems) {
        const seconds = (await start(guest).waitFor(PROMPT, TIMEOUT_MS)) / 1000;
        progress(`${BOOT}, run ${run + 1} of ${runs}, ${system}: ${seconds.toFixed(2)} s`);
        figures.add(BOOT, "to the prompt", system, { seconds, guestSeconds: null });
      }
    }
  });
  return figures.figures;
}
