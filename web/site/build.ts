/** `npm run web:build`: the site as a folder that any web server can serve. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildSite } from "./build-site.js";
import { defaultImage, runTool, SITE_DIRECTORY, usageError } from "./tool.js";

const USAGE = "npm run web:build -- [--out DIRECTORY]";

await runTool(async () => {
  const { out } = readOptions();
  await buildSite(out, await defaultImage());
  process.stdout.write(`${out}: ready; put it on any web server\n`);
});

function readOptions(): { readonly out: string } {
  try {
    const { values } = parseArgs({ options: { out: { type: "string", default: SITE_DIRECTORY } } });
    return { out: resolve(values.out) };
  } catch (error) {
    throw usageError(error, USAGE);
  }
}
