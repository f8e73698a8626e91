/** The default guest: see `debian-mini.ts` for what it is made of. */
export const DEBIAN_MINI = "debian-mini";
