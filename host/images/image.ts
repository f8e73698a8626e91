import type { ImageManifest } from "./manifest.js";

/** A bootable guest as plain data: what a machine of kind "linux" starts from. */
export interface Image {
  readonly manifest: ImageManifest;
  /** A raw RISC-V Image, ready to be copied to a 2 MiB boundary. */
  readonly kernel: Uint8Array;
  /** The initial RAM disk. */
  readonly initrd: Uint8Array;
  /** The kernel's command line, without the words that choose a mode: see `command-line.ts`. */
  readonly commandLine: string;
  /** The raw disk that the guest starts from, as a path in the store; null of an image that has none. */
  readonly disk: string | null;
}

/**
 * What a store is doing while an image is not there yet:
 * - "waiting": another process builds the same image;
 * - "lists": the distribution's signed package lists are on their way;
 * - "packages": the packages are on their way;
 * - "unpack": the packages are being unpacked, counted in bytes of packages;
 * - "collect": the packages are being put onto a drive for the guest that installs them, counted in bytes of packages;
 * - "install": that guest is at work, counted in bytes of packages, half for unpacking and half for configuring;
 * - "assemble": kernel, initial RAM disk and checksums are being made, counted in bytes written.
 */
export type ImageStage = "waiting" | "lists" | "packages" | "unpack" | "collect" | "install" | "assemble";

/** How far a stage is. `totalBytes` is null while nobody knows it. */
export interface ImageProgress {
  readonly stage: ImageStage;
  readonly doneBytes: number;
  readonly totalBytes: number | null;
}

export interface OpenImageOptions {
  /** Called often while an image is built, never when it is there already. */
  readonly onProgress?: ((progress: ImageProgress) => void) | undefined;
}

/** Where images come from. */
export interface ImageStore {
  /** The names that `open` can build, sorted. */
  readonly names: readonly string[];
  /**
   * The image of that name, built first if the store does not hold it; or the image in a directory, when `name` is the
   * path of one.
   *
   * @throws VivariumError when there is no such image, when it is damaged, or when it cannot be built
   */
  open(name: string, options?: OpenImageOptions): Promise<Image>;
}
