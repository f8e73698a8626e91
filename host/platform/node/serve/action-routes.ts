import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import Type, { type TObject, type TSchema } from "typebox";
import {
  ACTIONS,
  type ActionInput,
  type ActionName,
  type ActionOutput,
  type DaemonActionName,
  type ServiceActionName,
} from "../../../control/hypervisor/actions.js";
import { routeOf } from "../../../control/hypervisor/rest.js";
import { OperationView } from "../../../control/hypervisor/schemas.js";
import type { ActionContext, HypervisorService } from "../../../control/hypervisor/service.js";
import { VivariumError } from "../../../util/errors.js";
import type { AuditLog } from "./audit-log.js";
import { failureOf } from "./failure.js";
import type { Grants } from "./grants.js";
import type { Begun, Operations } from "./operations.js";
import type { Principal } from "./principal.js";
import type { Tokens } from "./tokens.js";

/** An action that is done at once is given up after this. */
const NOW_MS_MAX = 30_000;
const WAIT_MS_MAX = 60_000;

export interface ActionParts {
  readonly service: HypervisorService;
  readonly tokens: Tokens;
  readonly audit: AuditLog;
  readonly operations: Operations;
  readonly grants: Grants;
}

/** What the daemon does itself. */
type DaemonActions = {
  readonly [A in DaemonActionName]: (
    input: ActionInput<A>,
    principal: Principal,
  ) => ActionOutput<A> | Promise<ActionOutput<A>>;
};

type Input = Readonly<Record<string, unknown>>;

export const ErrorBody = Type.Object({
  error: Type.Object({
    code: Type.String({ description: "Stable, and made for programs" }),
    message: Type.String({ description: "One line for people" }),
    data: Type.Record(Type.String(), Type.Unknown()),
  }),
});

const WAIT = Type.Optional(
  Type.Integer({ minimum: 0, maximum: WAIT_MS_MAX, description: "Answers when it has ended, or after so much time" }),
);

/** Serves every action of the table. */
export function serveActions(app: FastifyInstance, parts: ActionParts): void {
  const own = daemonActions(parts);
  for (const name of Object.keys(ACTIONS) as ActionName[]) {
    const { method, path, pathNames, rest } = routeOf(ACTIONS[name].http);
    const { kind, role } = ACTIONS[name];
    app.route({
      method,
      url: path.replaceAll(/\{(\w+)\}/g, ":$1"),
      config: { role, action: name },
      schema: schemaOf(name, pathNames, rest),
      // A request that says nothing needs no body.
      preValidation: async (request) => {
        if (rest === "body") request.body ??= {};
      },
      handler: async (request, reply) => {
        const query = request.query as Input;
        const { waitMs, ...asked } = kind === "operation" ? query : { ...query, waitMs: undefined };
        const input = {
          ...(request.params as Input),
          ...(kind === "operation" ? asked : query),
          ...(rest === "body" ? (request.body as Input) : {}),
        };
        const principal = request.principal!;
        const work = (context: ActionContext) => perform(name, input, { parts, own, principal, context });
        if (kind === "now") return answerNow(reply, name, await audited(parts.audit, name, input, principal, work));
        return answerOperation(request, reply, name, input, parts, work, waitMs as number | undefined);
      },
    });
  }
}

function schemaOf(name: ActionName, pathNames: readonly string[], rest: "query" | "body") {
  const { summary, input, output, kind, role } = ACTIONS[name];
  const properties = Object.entries((input as TObject).properties);
  const pick = (inPath: boolean) =>
    Object.fromEntries(properties.filter(([property]) => pathNames.includes(property) === inPath));
  const required = new Set((input as TObject).required as readonly string[] | undefined);
  const strict = (fields: Record<string, TSchema>) =>
    Type.Unsafe<Input>({
      type: "object",
      properties: fields,
      required: Object.keys(fields).filter((field) => required.has(field)),
      additionalProperties: false,
    });
  const waiting = kind === "operation" ? { waitMs: WAIT } : {};
  return {
    operationId: name,
    summary,
    description: `Role: ${role}.`,
    tags: [name.split(".")[0]!],
    params: strict(pick(true)),
    querystring: strict({ ...(rest === "query" ? pick(false) : {}), ...waiting }),
    ...(rest === "body" ? { body: strict(pick(false)) } : {}),
    response: responsesOf(kind, output),
  };
}

function responsesOf(kind: "now" | "operation", output: TSchema): Record<string, TSchema> {
  const failed = { "4xx": described(ErrorBody, "Refused"), "5xx": described(ErrorBody, "Failed") };
  if (kind === "operation") {
    return {
      200: described(OperationView, "It has ended within waitMs, and well"),
      202: described(OperationView, "It goes on: Location says where to ask how far it is"),
      ...failed,
    };
  }
  const isVoid = (output as { readonly type?: string }).type === "null";
  return isVoid ? { 204: described(Type.Null(), "Done"), ...failed } : { 200: described(output, "Done"), ...failed };
}

function described(schema: TSchema, description: string): TSchema {
  return { ...schema, description } as TSchema;
}

async function perform(
  name: ActionName,
  input: Input,
  {
    parts,
    own,
    principal,
    context,
  }: { parts: ActionParts; own: DaemonActions; principal: Principal; context: ActionContext },
): Promise<unknown> {
  if (isOwn(name, own)) {
    const action = own[name] as (input: Input, principal: Principal) => unknown;
    return action(input, principal);
  }
  const granted =
    name === "machine.create"
      ? await parts.grants.check(input as ActionInput<"machine.create">, principal.role)
      : input;
  return parts.service.perform(name, granted as ActionInput<ServiceActionName>, context);
}

function isOwn(name: ActionName, own: DaemonActions): name is DaemonActionName {
  return Object.hasOwn(own, name);
}

function daemonActions({ tokens, audit, operations }: ActionParts): DaemonActions {
  return {
    "operation.list": () => operations.list(),
    "operation.get": ({ operation, waitMs }) => operations.wait(operation, waitMs ?? 0),
    "audit.list": (input) => audit.list(input),
    "token.list": () => tokens.list(),
    "token.current": (_, { tokenId }) => tokens.view(tokenId),
    "token.create": (input) => tokens.create(input),
    "token.revoke": ({ token }) => {
      tokens.revoke(token);
      return null;
    },
  };
}

/** Does something, and writes down that it was done if it changes anything. */
async function audited<T>(
  audit: AuditLog,
  name: ActionName,
  input: Input,
  principal: Principal,
  work: (context: ActionContext) => Promise<T>,
): Promise<T> {
  const context = { principal: principal.label };
  if (routeOf(ACTIONS[name].http).method === "GET") return bounded(name, work(context));
  const note = (outcome: "done" | "failed", message: string) =>
    audit.add({ principal: principal.label, action: name, machine: machineOf(input), outcome, message });
  try {
    const result = await bounded(name, work(context));
    note("done", summaryOf(input));
    return result;
  } catch (error) {
    note("failed", failureOf(error).message);
    throw error;
  }
}

/** @throws VivariumError `request/timeout` */
async function bounded<T>(name: ActionName, work: Promise<T>): Promise<T> {
  // `operation.get` waits as long as it is asked to.
  const ms = name === "operation.get" ? WAIT_MS_MAX + NOW_MS_MAX : NOW_MS_MAX;
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    const message = `${name}: nothing came for ${ms / 1000} s; it may still be done`;
    timer = setTimeout(() => reject(new VivariumError("request/timeout", message)), ms);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

function answerNow(reply: FastifyReply, name: ActionName, result: unknown): FastifyReply {
  const isVoid = (ACTIONS[name].output as { readonly type?: string }).type === "null";
  return isVoid ? reply.code(204).send() : reply.code(200).send(result);
}

async function answerOperation(
  request: FastifyRequest,
  reply: FastifyReply,
  name: ActionName,
  input: Input,
  { audit, operations }: ActionParts,
  work: (context: ActionContext) => Promise<unknown>,
  waitMs: number | undefined,
): Promise<FastifyReply> {
  const { label } = request.principal!;
  const machine = machineOf(input);
  const begun = operations.begin(name, machine, async (onProgress) => {
    const note = (outcome: "done" | "failed", message: string) =>
      audit.add({ principal: label, action: name, machine, outcome, message });
    try {
      const result = await work({ principal: label, onProgress });
      note("done", summaryOf(input));
      return result;
    } catch (error) {
      note("failed", failureOf(error).message);
      if (failureOf(error).status === 500) request.log.error(error);
      throw error;
    }
  });
  return answerBegun(reply, operations, begun, waitMs ?? preferredWaitMs(request));
}

/**
 * Answers with the operation: 200 when it has ended, 202 while it goes on. One that failed within the time is answered
 * as an action that is done at once would be, so that what is refused straight away looks the same everywhere.
 */
export async function answerBegun(
  reply: FastifyReply,
  operations: Operations,
  { id, failure }: Begun,
  waitMs: number,
): Promise<FastifyReply> {
  // What is refused without waiting for anything is known by now.
  await new Promise((resolve) => setImmediate(resolve));
  const view = await operations.wait(id, waitMs);
  if (view.status === "failed") throw failure();
  return reply
    .code(view.status === "running" ? 202 : 200)
    .header("Location", `/v1/operations/${id}`)
    .send(view);
}

/** `Prefer: wait=SECONDS`, RFC 7240, section 4.3. */
function preferredWaitMs({ headers }: FastifyRequest): number {
  const seconds = /(?:^|[,;\s])wait=(\d{1,5})(?:$|[,;\s])/i.exec(String(headers.prefer ?? ""))?.[1];
  return Math.min(Number(seconds ?? 0) * 1000, WAIT_MS_MAX);
}

function machineOf({ machine, name }: Input): string | null {
  if (typeof machine === "string") return machine;
  return typeof name === "string" ? name : null;
}

/** What was asked for, without what it is about and without what a command reads. */
function summaryOf(input: Input): string {
  const { machine: _, input: __, ...rest } = input;
  return Object.keys(rest).length === 0 ? "" : JSON.stringify(rest);
}
