import type { PackagedFile } from "../e2e/requirements.js";

/** Debian's browsers. */
export const CHROMIUM: PackagedFile = { path: "/usr/bin/chromium", debianPackage: "chromium" };
export const FIREFOX: PackagedFile = { path: "/usr/bin/firefox-esr", debianPackage: "firefox-esr" };
