import type { FastifyDynamicSwaggerOptions } from "@fastify/swagger";
import { STREAMS } from "../../../control/hypervisor/actions.js";
import { packageVersion } from "../package-version.js";

const WEBSOCKETS = {
  "machine.console": "The machine's serial console: what it last showed, then what it shows; what is typed goes back",
  "machine.spawn": "A command in the guest that is talked to: its input, its output, its end",
} as const;

/** What the document says besides what routes say of themselves. */
export function openApiOptions(): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Vivarium",
        version: packageVersion(),
        description: "Many machines on one host. docs/hypervisor.md describes the interface.",
        license: { name: "MIT", identifier: "MIT" },
      },
      components: {
        securitySchemes: {
          token: { type: "http", scheme: "bearer", description: "`viv token create` makes one" },
        },
      },
      security: [{ token: [] }],
    },
    // What the framework leaves out: it knows of WebSockets only that they are no requests like others.
    transformObject: (document) => {
      if (!("openapiObject" in document)) return document.swaggerObject;
      const { openapiObject } = document;
      for (const [name, summary] of Object.entries(WEBSOCKETS) as [keyof typeof WEBSOCKETS, string][]) {
        const { http, role } = STREAMS[name];
        const path = http.replace("GET ", "");
        openapiObject.paths![path] = {
          get: {
            operationId: name,
            summary,
            description:
              `Role: ${role}. A WebSocket with the protocol vivarium.v1; a browser, which cannot set headers there, ` +
              "offers bearer.TOKEN as another. Bytes are binary messages, the rest is JSON: docs/hypervisor.md.",
            tags: ["machine"],
            parameters: [{ in: "path", name: "machine", required: true, schema: { type: "string" } }],
            responses: { 101: { description: "The WebSocket is open" } },
          },
        };
      }
      return openapiObject;
    },
  };
}
