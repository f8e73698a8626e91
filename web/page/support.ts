/** What a browser may lack that the page cannot do without; null when it has everything. */
export function missingFeature(): string | null {
  const features: Readonly<Record<string, boolean>> = {
    WebAssembly: "WebAssembly" in globalThis,
    "BigInt in WebAssembly": "BigInt64Array" in globalThis,
    workers: "Worker" in globalThis,
    DecompressionStream: "DecompressionStream" in globalThis,
  };
  return Object.keys(features).find((name) => !features[name]) ?? null;
}
