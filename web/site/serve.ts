/** `npm run web`: builds the site and serves it. */
import { parseArgs } from "node:util";
import { buildSite } from "./build-site.js";
import { serveSite } from "./serve-site.js";
import { defaultImage, runTool, SITE_DIRECTORY, usageError } from "./tool.js";

const USAGE = "npm run web -- [--port N] [--host ADDRESS]";
const DEFAULT_PORT = 5100;
const PORT_MAX = 65535;

await runTool(async () => {
  const { port, host } = readOptions();
  await buildSite(SITE_DIRECTORY, await defaultImage());
  const site = await serveSite(SITE_DIRECTORY, { port, host });
  process.stdout.write(`Vivarium is at ${site.url} (Ctrl-C ends it)\n`);
});

function readOptions(): { readonly port: number; readonly host: string } {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: "string", default: String(DEFAULT_PORT) },
        host: { type: "string", default: "localhost" },
      },
    });
    const port = Number(values.port);
    if (!Number.isInteger(port) || port < 0 || port > PORT_MAX) {
      throw new Error(`--port ${values.port}: expected 0 to ${PORT_MAX}`);
    }
    return { port, host: values.host };
  } catch (error) {
    throw usageError(error, USAGE);
  }
}
