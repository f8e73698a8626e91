import type { TestContext } from "vitest";
import type { Image } from "../../host/images/image.js";
import { TEST_CACHE, testImage } from "../images/test-image.js";
import { APT, needs } from "./requirements.js";

/** The environment of programs that tests start: they share one cache with the tests themselves. */
export function testEnvironment(): NodeJS.ProcessEnv {
  return { VIV_CACHE_DIR: TEST_CACHE, ...process.env };
}

/** The default image, which the programs that a test starts find built. Skips the test where it cannot be built. */
export function defaultImage(context: TestContext): Promise<Image> {
  needs(context, APT);
  return testImage();
}
