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
}

/**
 * What a store is doing while an image is not there yet:
 * - "waiting": another process builds the same image;
 * - "lists": the distribution's signed package lists are on their way;
 * - "packages": the packages are on their way;
 * - "unpack": the packages are being unpacked, counted in bytes of packages;
 * - "download": the finished image is on its way from a web server;
 * - "assemble": kernel, initial RAM disk and checksums are being made, counted in bytes written.
 */
export type ImageStage = "waiting" | "lists" | "packages" | "unpack" | "assemble" | "download";

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
