import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { generateAll } from "../assembly/isa/generate.js";

const folder = new URL("../assembly/generated/", import.meta.url);
const generated = generateAll();

describe("assembly/generated", () => {
  it.each([...generated.keys()])("%s is what the tables of isa/ give: `npm run generate` if not", (name) => {
    expect(readFileSync(new URL(name, folder), "utf8")).toBe(generated.get(name));
  });

  it("holds nothing else", () => {
    expect(readdirSync(folder).sort()).toEqual([...generated.keys()].sort());
  });
});
