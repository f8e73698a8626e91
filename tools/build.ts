/** `npm run build`: the processor, and beside it the host with what is bundled of it. They take about as long. */
import { spawn } from "node:child_process";

const lines = [["build:core"], ["build:host", "build:programs", "build:console"]];

/** @throws Error when it fails, which has then said why */
async function runScript(name: string): Promise<void> {
  const script = spawn("npm", ["run", "--silent", name], { stdio: "inherit", shell: process.platform === "win32" });
  const status = await new Promise<number | null>((resolve, reject) => {
    script.on("error", reject);
    script.on("close", resolve);
  });
  if (status !== 0) throw new Error(`npm run ${name}: ended with ${status ?? "a signal"}`);
}

async function runInTurn(names: readonly string[]): Promise<void> {
  for (const name of names) await runScript(name);
}

// Both are waited for: nothing goes on in the background after a failure.
const ends = await Promise.allSettled(lines.map(runInTurn));
for (const end of ends) {
  if (end.status === "fulfilled") continue;
  console.error(end.reason instanceof Error ? end.reason.message : end.reason);
  process.exitCode = 1;
}
