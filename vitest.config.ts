import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // On two cores: what one test waits for, another one uses.
    maxWorkers: 3,
  },
});
