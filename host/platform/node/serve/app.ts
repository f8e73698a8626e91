import { maxHeaderSize } from "node:http";
import type { Socket } from "node:net";
import rateLimit from "@fastify/rate-limit";
import swagger from "@fastify/swagger";
import websocket from "@fastify/websocket";
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { TSchema } from "typebox";
import type { Role } from "../../../control/hypervisor/schemas.js";
import { WEBSOCKET_PROTOCOL } from "../../../control/hypervisor/socket-messages.js";
import { VivariumError } from "../../../util/errors.js";
import { type ActionParts, serveActions } from "./action-routes.js";
import { keepRoom } from "./connections.js";
import { serveConsole } from "./console-files.js";
import { EventStreams } from "./event-stream.js";
import type { MachineExports } from "./exports.js";
import { failureOf } from "./failure.js";
import { Authentication, checkSource } from "./guard.js";
import type { Imports } from "./imports.js";
import { type MetricSource, serveMetrics } from "./metrics.js";
import { openApiOptions } from "./openapi.js";
import { mayActAs, type Principal } from "./principal.js";
import { Sockets } from "./sockets.js";
import { compileCheck, type RequestPart } from "./validation.js";

declare module "fastify" {
  interface FastifyRequest {
    /** Who asks; null where nobody has to say. */
    principal: Principal | null;
  }
  interface FastifyContextConfig {
    /** What a token needs; everybody may without. */
    role?: Role;
    /** How the audit calls it. */
    action?: string;
    /** Whether it is a WebSocket. */
    isSocket?: boolean;
  }
}

const BODY_BYTE_LENGTH_MAX = 1024 * 1024;
const PATH_PART_LENGTH_MAX = 500;
const CONNECTIONS_MAX = 1024;
const MESSAGE_BYTE_LENGTH_MAX = 1024 * 1024;

/** How long a client may take, and how often it may ask. */
export interface Limits {
  /** To send the head of a request. */
  readonly headersMs: number;
  /** To send all of a request. An upload that takes longer goes on in the next one. */
  readonly requestMs: number;
  /** How often it is looked who takes longer. */
  readonly checkMs: number;
  /** Requests of a token, or of an address without one, a minute. */
  readonly requestsPerMinute: number;
}

export const DEFAULT_LIMITS: Limits = {
  headersMs: 10_000,
  requestMs: 120_000,
  checkMs: 2000,
  requestsPerMinute: 6000,
};

export interface AppParts extends ActionParts {
  readonly imports: Imports;
  readonly exports: MachineExports;
  readonly metrics: MetricSource;
  /** By which the daemon may be called besides its addresses and localhost. */
  readonly names: ReadonlySet<string>;
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly limits: Limits;
  readonly now: () => number;
  /** One line about an error of our own. */
  readonly log: (line: string) => void;
  readonly consoleDirectory?: string;
}

/** The daemon's HTTP server, before it listens. */
export async function buildApp(parts: AppParts): Promise<FastifyInstance> {
  const { limits, tls } = parts;
  const app = fastify({
    ...(tls === null ? {} : { https: { ...tls, handshakeTimeout: limits.headersMs } }),
    http: { connectionsCheckingInterval: limits.checkMs, headersTimeout: limits.headersMs },
    requestTimeout: limits.requestMs,
    bodyLimit: BODY_BYTE_LENGTH_MAX,
    routerOptions: { maxParamLength: PATH_PART_LENGTH_MAX },
    forceCloseConnections: true,
    frameworkErrors: (error, request, reply) => void answerFailure(parts, error, request, reply as FastifyReply),
    clientErrorHandler: (error, socket) => refuseConnection(error, socket),
  }) as unknown as FastifyInstance;
  keepRoom(app.server, { max: CONNECTIONS_MAX, silentMs: limits.headersMs });
  if (tls !== null) setTimeouts(app, limits);
  app.setValidatorCompiler(({ schema, httpPart }) => compileCheck(schema as TSchema, httpPart as RequestPart));
  // Exactly what was returned: a serializer made of a schema leaves out what it does not know.
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.setErrorHandler((error: FastifyError, request, reply) => answerFailure(parts, error, request, reply));
  app.decorateRequest("principal", null);

  // Before the guard: the connection of a WebSocket that is refused is closed by what this knows of it.
  await app.register(websocket, {
    options: {
      maxPayload: MESSAGE_BYTE_LENGTH_MAX,
      perMessageDeflate: false,
      handleProtocols: (offered) => (offered.has(WEBSOCKET_PROTOCOL) ? WEBSOCKET_PROTOCOL : false),
    },
  });
  addGuard(app, parts);
  await app.register(rateLimit, {
    max: limits.requestsPerMinute,
    timeWindow: 60_000,
    keyGenerator: ({ principal, ip }) => (principal === null ? `address ${ip}` : `token ${principal.tokenId}`),
    errorResponseBuilder: (_, { after }) =>
      new VivariumError(
        "rate/limit",
        `more than ${limits.requestsPerMinute} requests a minute; expected none for ${after}`,
      ),
  });
  await app.register(swagger, openApiOptions());
  app.setNotFoundHandler({ preHandler: app.rateLimit() }, (request) => {
    throw new VivariumError("request/unknown", `there is no ${request.method} ${request.url.slice(0, 200)}`);
  });

  const streams = new EventStreams(parts.service, parts.tokens);
  const sockets = new Sockets(parts);
  await app.register(async (routes) => {
    serveActions(routes, parts);
    streams.route(routes);
    sockets.route(routes);
    parts.exports.route(routes);
    parts.imports.route(routes);
    serveMetrics(routes, parts.metrics);
    serveConsole(routes, parts.consoleDirectory);
    routes.get("/v1/openapi.json", { schema: { hide: true } }, () => app.swagger());
  });
  app.addHook("preClose", async () => {
    streams.close();
    sockets.close();
  });
  await app.ready();
  return app;
}

/** What is said before there is a request that could be answered, by Node's code for it. */
const CONNECTION_ERRORS: Readonly<Record<string, readonly [status: string, code: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: [
    "431 Request Header Fields Too Large",
    "request/too-large",
    `the head of a request may have ${maxHeaderSize} bytes`,
  ],
  ERR_HTTP_REQUEST_TIMEOUT: ["408 Request Timeout", "request/timeout", "the request did not come in time"],
};

function refuseConnection({ code: cause = "" }: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const [status, code, message] = CONNECTION_ERRORS[cause] ?? [
    "400 Bad Request",
    "request/invalid",
    "this is no HTTP request",
  ];
  const body = JSON.stringify({ error: { code, message, data: {} } });
  const head = [`HTTP/1.1 ${status}`, "Content-Type: application/json", `Content-Length: ${body.length}`];
  socket.end(`${head.join("\r\n")}\r\nConnection: close\r\n\r\n${body}`);
}

/** The https server has its timeouts after it is made. */
function setTimeouts(app: FastifyInstance, limits: Limits): void {
  app.server.headersTimeout = limits.headersMs;
}

function addGuard(app: FastifyInstance, parts: AppParts): void {
  const { audit, names, now, tokens } = parts;
  const authentication = new Authentication(tokens, now);
  app.addHook("onRequest", async (request, reply) => {
    reply.headers({
      "X-Content-Type-Options": "nosniff",
      "X-Frame-Options": "DENY",
      "Referrer-Policy": "no-referrer",
      "Cross-Origin-Opener-Policy": "same-origin",
      "Cross-Origin-Resource-Policy": "same-origin",
      "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
      "Cache-Control": "no-store",
      ...(parts.tls === null ? {} : { "Strict-Transport-Security": "max-age=31536000" }),
    });
    checkSource(request, names);
    const { role, action = "", isSocket = false } = request.routeOptions.config;
    if (request.ws && !isSocket) {
      throw new VivariumError("request/unknown", `there is no WebSocket at ${request.url.slice(0, 200)}`);
    }
    if (role === undefined) return;
    const machine = (request.params as { machine?: string } | undefined)?.machine ?? null;
    const refused = (principal: string) => (message: string) =>
      audit.add({ principal, action, machine, outcome: "refused", message });
    const principal = authentication.identify(request, refused(request.ip));
    request.principal = principal;
    if (mayActAs(principal.role, role)) return;
    const message = `${action} needs the role ${role}; this token has ${principal.role}`;
    refused(principal.label)(message);
    throw new VivariumError("permission/role", message);
  });
}

function answerFailure(parts: AppParts, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, code, message, data } = failureOf(error);
  if (status === 500) {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    parts.log(
      `internal error: ${request.method} ${request.routeOptions.url ?? ""}: ${stack.replaceAll(/\s*\n\s*/g, " ")}`,
    );
  }
  if (status === 401) reply.header("WWW-Authenticate", 'Bearer realm="vivarium"');
  return reply
    .code(status)
    .type("application/json; charset=utf-8")
    .send(JSON.stringify({ error: { code, message, data } }));
}
