import { test } from "vitest";

/** For tests that take long for what they add to others: they run when VIV_LONG is set, as CONTRIBUTING.md says. */
export const longTest: ReturnType<typeof test.skipIf> = test.skipIf(process.env.VIV_LONG === undefined);
