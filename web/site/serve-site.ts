import { preview } from "vite";

export interface Site {
  /** Ends with a slash. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * What the page may do, as any host may say it too: nothing from elsewhere, Wasm compiled from its own bytes (the
 * processor, and the code it translates), styles that the terminal makes for its colours.
 */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/**
 * Serves a site that `buildSite` has made.
 *
 * @param port 0 takes any; one that is taken gives the next
 */
export async function serveSite(directory: string, { port, host }: { port: number; host: string }): Promise<Site> {
  const server = await preview({
    configFile: false,
    logLevel: "warn",
    // What is not there is not found, instead of the page once more.
    appType: "mpa",
    base: "./",
    build: { outDir: directory },
    preview: {
      port,
      host,
      // Whatever name it is reached by: there is nothing to protect in files that everybody may have.
      allowedHosts: true,
      headers: {
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
      },
    },
  });
  const [url] = [...(server.resolvedUrls?.local ?? []), ...(server.resolvedUrls?.network ?? [])];
  return { url: url ?? `http://${host}:${port}/`, close: () => server.close() };
}
