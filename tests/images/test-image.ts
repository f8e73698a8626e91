import { fileURLToPath } from "node:url";
import type { Image } from "../../host/images/image.js";
import { imageStore } from "../../host/platform/node/images/open-image.js";

/** Shared by all tests that need a guest, so that one of them builds it; VIV_CACHE_DIR names another place. */
export const TEST_CACHE = fileURLToPath(new URL("../../build/test-cache", import.meta.url));

/** The default guest, built on first use: this takes the network, and some ten seconds. */
export function testImage(): Promise<Image> {
  return imageStore({ VIV_CACHE_DIR: TEST_CACHE, ...process.env }).open("debian-mini");
}
