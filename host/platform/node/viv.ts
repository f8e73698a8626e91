#!/usr/bin/env node
import { pathToFileURL } from "node:url";
import { fileOf, MAIN } from "./bundled-program.js";

const { main }: typeof import("./main.js") = await import(pathToFileURL(fileOf(MAIN)).href);

await main(process.argv.slice(2));
