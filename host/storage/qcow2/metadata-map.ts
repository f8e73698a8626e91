import { badFormat } from "./header.js";

/** Tables that an image has at most: those of more than 30 TiB in clusters of 64 KiB. */
const CLUSTERS_MAX = 1 << 20;

/**
 * Which clusters of an image hold its header and tables. What the guest writes never goes there, whatever the image
 * says: with the header in its hands, a guest could name a backing file for the next time.
 */
export class MetadataMap {
  readonly #clusterByteLength: number;
  readonly #clusters = new Set<number>([0]);

  constructor(clusterByteLength: number) {
    this.#clusterByteLength = clusterByteLength;
  }

  /** @throws VivariumError `disk/format` when there are too many */
  add(offset: number, byteLength: number): void {
    const end = Math.ceil((offset + byteLength) / this.#clusterByteLength);
    for (let cluster = Math.floor(offset / this.#clusterByteLength); cluster < end; cluster++) {
      this.#clusters.add(cluster);
    }
    if (this.#clusters.size > CLUSTERS_MAX) throw badFormat(`has more than ${CLUSTERS_MAX} clusters of tables`);
  }

  delete(cluster: number): void {
    this.#clusters.delete(cluster);
  }

  has(cluster: number): boolean {
    return this.#clusters.has(cluster);
  }

  hasAny(first: number, count: number): boolean {
    for (let cluster = first; cluster < first + count; cluster++) if (this.#clusters.has(cluster)) return true;
    return false;
  }
}
