import { fetchCoreModule } from "../../../host/platform/browser/core-module.js";
import { fetchFile } from "../../../host/platform/browser/fetch-file.js";
import { browserFileServices } from "../../../host/platform/browser/file-services.js";
import { BrowserHostServices } from "../../../host/platform/browser/host-services.js";
import { KeptFile } from "../../../host/platform/browser/kept-file.js";
import { loadSqlite } from "../../../host/platform/browser/sqlite.js";
import { MachineFile } from "../../../host/snapshot/machine-file.js";
import { type Continuation, continueInFile } from "./continuation.js";
import { type Replayed, replayFile } from "./replaying.js";

export interface Request {
  readonly core: string;
  readonly file: string;
  /** How many to continue for; null to replay the file's newest history. */
  readonly instructions: number | null;
}

self.addEventListener("message", ({ data }: MessageEvent<Request>) => {
  serve(data).then((answer) => self.postMessage(answer), reportError);
});

async function serve({ core, file, instructions }: Request): Promise<Continuation | Replayed> {
  const module = await fetchCoreModule(new URL(core));
  const kept = await KeptFile.open("test", await loadSqlite());
  await kept.replace(await (await fetchFile(new URL(file))).blob());
  const host = new BrowserHostServices();
  const opened = MachineFile.open(
    kept.database(),
    browserFileServices(() => host.yieldToEvents()),
  );
  if (instructions === null) return replayFile(opened, module, host);
  const reached = await continueInFile(opened, module, host, instructions);
  return { ...reached, file: await kept.contents() };
}
