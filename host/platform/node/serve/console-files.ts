import { readdirSync, readFileSync } from "node:fs";
import { extname, join, relative, sep } from "node:path";
import type { FastifyInstance } from "fastify";
import { packageDirectory } from "../core-module.js";

/** Where the console's page is built. */
const CONSOLE_PATH = "build/console";

/** xterm.js makes style elements; scripts are files of ours alone, and nothing is asked of any other host. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".json": "application/json",
  ".webmanifest": "application/manifest+json",
  ".woff2": "font/woff2",
};

const UNBUILT = `<!doctype html><meta charset="utf-8"><title>Vivarium</title>
<p>The console is not built: <code>npm run build</code> does that. The interface is at <a href="/v1/openapi.json">/v1/openapi.json</a>.
`;

/**
 * Serves the console's page. Its files are read once, so that a path of a request is looked up among their names and
 * never asked of the file system.
 */
export function serveConsole(app: FastifyInstance, directory: string = join(packageDirectory(), CONSOLE_PATH)): void {
  const files = readFiles(directory);
  if (!files.has("index.html")) files.set("index.html", Buffer.from(UNBUILT));
  for (const [name, bytes] of files) {
    const isPage = name === "index.html";
    app.get(isPage ? "/" : `/${name}`, { schema: { hide: true } }, (_, reply) =>
      reply
        .header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        // Vite puts a hash of their contents into the names of all others.
        .header("Cache-Control", isPage || !name.startsWith("assets/") ? "no-cache" : "max-age=31536000, immutable")
        .type(CONTENT_TYPES[extname(name)] ?? "application/octet-stream")
        .send(bytes),
    );
  }
}

function readFiles(directory: string): Map<string, Buffer> {
  try {
    const entries = readdirSync(directory, { withFileTypes: true, recursive: true }).filter((entry) => entry.isFile());
    return new Map(
      entries.map((entry) => {
        const path = join(entry.parentPath ?? entry.path, entry.name);
        return [relative(directory, path).split(sep).join("/"), readFileSync(path)];
      }),
    );
  } catch {
    return new Map();
  }
}
