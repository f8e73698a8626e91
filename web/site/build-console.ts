/** `npm run build:console`: the hypervisor's console as files that `viv serve` hands out. */
import { fileURLToPath } from "node:url";
import { buildPage } from "./build-page.js";

const ROOT = fileURLToPath(new URL("../console", import.meta.url));
const DIRECTORY = fileURLToPath(new URL("../../build/console", import.meta.url));

await buildPage(ROOT, DIRECTORY);
