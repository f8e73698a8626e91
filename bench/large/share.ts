import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runTool } from "../../host/platform/node/images/tool.js";
import { buildScript } from "../guests/build.js";
import { debianPrograms } from "../guests/debian-programs.js";
import type { LargeFigure } from "../subject.js";
import { withGuestFiles } from "./guest-files.js";
import { FigureCollector, type LargeSetting } from "./large-subject.js";
import { runPrograms } from "./programs.js";

export const GIT_STATUS = "git-status";
const DIRECTORY_COUNT = 100;
const FILES_PER_DIRECTORY = 100;

/** What git says, three times, of a repository with 10,000 files in a shared folder. */
export async function measureShare(setting: LargeSetting): Promise<LargeFigure[]> {
  const archive = await buildScript(GIT_STATUS);
  const figures = new FigureCollector();
  const commandLine = `${setting.image.commandLine} rdinit=/bench/init bench=${GIT_STATUS}`;
  const share = await mkdtemp(join(tmpdir(), "vivarium-bench-share-"));
  try {
    await cp(await debianPrograms(["git"]), join(share, "programs"), { recursive: true });
    await makeRepository(join(share, "repository"));
    await withGuestFiles(setting.image, [archive], commandLine, (guest) =>
      runPrograms([GIT_STATUS], { ...guest, share }, setting, figures),
    );
  } finally {
    await rm(share, { recursive: true });
  }
  return figures.figures;
}

/** A repository in which everything is committed but one file. Needs git. */
async function makeRepository(directory: string): Promise<void> {
  for (let index = 0; index < DIRECTORY_COUNT; index++) {
    await mkdir(join(directory, `d${index}`), { recursive: true });
    for (let file = 0; file < FILES_PER_DIRECTORY; file++) {
      await writeFile(join(directory, `d${index}/file${file}`), `file ${file} of directory ${index}\n`);
    }
  }
  const git = (...args: string[]) => runTool("git", ["-C", directory, ...args]);
  await git("init", "--quiet");
  await git("add", ".");
  await git("-c", "user.name=bench", "-c", "user.email=bench@localhost", "commit", "--quiet", "-m", "files");
  await writeFile(join(directory, "new"), "");
}
