import { regionHas, regionText, type TranslatedRegion } from "../core/translated-region.js";

/** Keeps, of all regions that are translated, the one that somebody wants to see. */
export class RegionDump {
  readonly #pc: bigint;
  #begins: TranslatedRegion | undefined;
  #contains: TranslatedRegion | undefined;

  /** @param pc virtual address of an instruction */
  constructor(pc: bigint) {
    this.#pc = pc;
  }

  /** The last one counts: a region is translated anew when there is reason to. */
  note(regions: readonly TranslatedRegion[]): void {
    for (const region of regions) {
      if (region.sources[0]?.pc === this.#pc) this.#begins = region;
      else if (regionHas(region, this.#pc)) this.#contains = region;
    }
  }

  /** Guest listing and Wasm of the region that begins at the address, else of one that contains it. */
  lines(): readonly string[] {
    const at = `0x${this.#pc.toString(16)}`;
    const region = this.#begins ?? this.#contains;
    if (!region) return [`region        none has an instruction at ${at}: it was not translated, or is no instruction`];
    const start = region.sources[0]!.pc;
    const where = start === this.#pc ? `begins at ${at}` : `begins at 0x${start.toString(16)} and contains ${at}`;
    const size = `${region.sources.length} instructions, ${region.body.length} bytes of Wasm`;
    return [`region        ${where}; ${size}`, ...regionText(region).split("\n")];
  }
}
