import { mkdirSync, writeFileSync } from "node:fs";
import { generateAll } from "./generate.js";

const folder = new URL("../generated/", import.meta.url);
mkdirSync(folder, { recursive: true });
for (const [name, text] of generateAll()) writeFileSync(new URL(name, folder), text);
