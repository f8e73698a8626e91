/** What a worker begins with: Node does not load TypeScript in one by itself. */
import { register } from "tsx/esm/api";

register();
await import("./worker.ts");
