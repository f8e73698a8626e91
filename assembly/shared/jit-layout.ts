/**
 * The translator's part of linear memory, between the decoded pages and guest RAM (shared/layout.ts).
 *
 *   0x1700000  region records                                  REGIONS_BASE (cache.ts)
 *   0x1900000  buckets of the hash table of regions, u16       BUCKETS_BASE
 *   0x1910000  heat of targets, u16                            HEAT_BASE
 *   0x1920000  links of regions to pages, u16                  LINKS_BASE
 *   0x1a00000  first link of each RAM page, u16                PAGE_LINKS_BASE
 *   0x1c00000  the region being built                          BUILD_BASE (region.ts)
 *   0x3000000  the module being written                        OUTPUT_BASE
 *   0x3f00000  its end, and what it was made from              OUTPUT_END, SOURCES_BASE (sources.ts)
 */
export const REGIONS_BASE: u32 = 0x1700000;
export const BUCKETS_BASE: u32 = 0x1900000;
export const HEAT_BASE: u32 = 0x1910000;
export const LINKS_BASE: u32 = 0x1920000;
export const PAGE_LINKS_BASE: u32 = 0x1a00000;
export const BUILD_BASE: u32 = 0x1c00000;
export const OUTPUT_BASE: u32 = 0x3000000;
export const OUTPUT_END: u32 = 0x3f00000;
export const SOURCES_BASE: u32 = OUTPUT_END;
export const SOURCES_END: u32 = 0x4000000;
