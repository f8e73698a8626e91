import { inflateRaw } from "../../util/inflate.js";
import type { ByteStore } from "../byte-store.js";
import { badFormat, type Qcow2Header } from "./header.js";
import { decompressZstd } from "./zstd.js";

/** Clusters that are kept decompressed: a guest reads them in pieces. */
const KEPT_BYTE_LENGTH = 2 << 20;
const KEPT_MIN = 2;

/** The contents of compressed clusters. */
export class CompressedClusters {
  readonly #store: ByteStore;
  readonly #header: Qcow2Header;
  /** By offset in the image; the one used last stands last. */
  readonly #kept = new Map<number, Promise<Uint8Array>>();

  constructor(store: ByteStore, header: Qcow2Header) {
    this.#store = store;
    this.#header = header;
  }

  /**
   * Fills `into` from a compressed cluster; it may reach into the clusters that follow only where those are its own.
   *
   * @param place of the compressed bytes in the image
   * @param start first byte wanted, within the cluster
   */
  async read(place: { readonly offset: number; readonly byteLength: number }, start: number, into: Uint8Array) {
    const contents = await this.#contents(place.offset, place.byteLength);
    into.set(contents.subarray(start, start + into.length));
  }

  #contents(offset: number, byteLength: number): Promise<Uint8Array> {
    const contents = this.#kept.get(offset) ?? this.#decompress(offset, byteLength);
    this.#kept.delete(offset);
    this.#kept.set(offset, contents);
    contents.catch(() => this.#kept.delete(offset));
    const max = Math.max(KEPT_MIN, KEPT_BYTE_LENGTH / this.#header.clusterByteLength);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= max) break;
      this.#kept.delete(oldest);
    }
    return contents;
  }

  async #decompress(offset: number, byteLength: number): Promise<Uint8Array> {
    const { clusterByteLength, compression } = this.#header;
    // The sectors of the last one may not all be there.
    const there = Math.min(byteLength, this.#store.byteLength - offset);
    if (there <= 0) throw badFormat(`has a compressed cluster beyond its end, at ${offset}`);
    const bytes = new Uint8Array(there);
    await this.#store.read(offset, bytes);
    const contents = new Uint8Array(clusterByteLength);
    const length = compression === "zstd" ? decompressZstd(bytes, contents) : inflateRaw(bytes, contents);
    if (length !== clusterByteLength) throw badFormat(`has a compressed cluster of ${length} bytes, at ${offset}`);
    return contents;
  }
}
