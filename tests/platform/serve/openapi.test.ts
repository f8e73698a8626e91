import { Validator } from "@seriousme/openapi-schema-validator";
import Ajv2020, { type ValidateFunction } from "ajv/dist/2020.js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ACTIONS, STREAMS } from "../../../host/control/hypervisor/actions.js";
import { type Answer, TestDaemon } from "./harness.js";

let daemon: TestDaemon;
// biome-ignore lint/suspicious/noExplicitAny: a document that is looked at from outside
let document: any;
const called = new Set<string>();

beforeAll(async () => {
  daemon = await TestDaemon.open();
  document = (await daemon.ask("GET", "/v1/openapi.json", { token: null })).body;
});
afterAll(() => daemon.close());

const ajv = new Ajv2020.default({ strict: false });
const validators = new Map<object, ValidateFunction>();

/** The document's word about an answer: there has to be one, and what came has to be as it says. */
function checkAnswer(method: string, path: string, { status, body, bytes }: Answer): void {
  const [, operation] = operationOf(method, path);
  called.add(operation.operationId);
  const kind = `${Math.floor(status / 100)}XX`;
  const response = operation.responses[status] ?? operation.responses[kind] ?? operation.responses[kind.toLowerCase()];
  expect(response, `${method} ${path} answered ${status}, of which the document says nothing`).toBeDefined();
  const schema = response.content?.["application/json"]?.schema;
  if (schema === undefined) {
    if (status === 204) expect(bytes.length).toBe(0);
    return;
  }
  const validate = validators.get(schema) ?? ajv.compile(schema);
  validators.set(schema, validate);
  expect(validate(body), `${method} ${path}: ${ajv.errorsText(validate.errors)}: ${JSON.stringify(body)}`).toBe(true);
}

// biome-ignore lint/suspicious/noExplicitAny: as above
function operationOf(method: string, path: string): [string, any] {
  const bare = path.split("?")[0]!;
  const found = Object.entries<Record<string, unknown>>(document.paths).filter(([template]) => {
    const pattern = template.replaceAll(/\{\w+\}/g, "[^/]+");
    return new RegExp(`^${pattern}$`).test(bare);
  });
  const exact = found.find(([template]) => !template.includes("{")) ?? found[0];
  const operation = exact?.[1][method.toLowerCase()];
  expect(operation, `the document has no ${method} ${bare}`).toBeDefined();
  return [exact![0], operation];
}

async function ask(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const answer = await daemon.ask(method, path, { body, headers });
  checkAnswer(method, path, answer);
  return answer;
}

test("openapi: the document is valid OpenAPI 3.1 by an independent validator", async () => {
  const validator = new Validator();
  const result = await validator.validate(document);
  expect(result.errors ?? []).toEqual([]);
  expect(result.valid).toBe(true);
  expect(validator.version).toBe("3.1");
});

test("openapi: every action and stream of the table is in the document, with the role that it needs", () => {
  for (const [name, { http, role }] of [...Object.entries(ACTIONS), ...Object.entries(STREAMS)]) {
    const [method, path] = http.split(" ");
    const operation = document.paths[path!]?.[method!.toLowerCase()];
    expect(operation?.operationId, http).toBe(name);
    expect(operation.description).toContain(`Role: ${role}`);
  }
});

test("openapi: what every action answers is as the document says, when it is done and when it is refused", async () => {
  const wait = "?waitMs=10000";
  await ask("GET", "/v1/host");
  await ask("POST", `/v1/machines${wait}`, { name: "web", cpu: { shares: 200, limit: 0.5 } });
  await ask("POST", `/v1/machines${wait}`, { name: "web" });
  await ask("GET", "/v1/machines");
  await ask("GET", "/v1/machines/web");
  await ask("GET", "/v1/machines/none");
  await ask("PATCH", "/v1/machines/web", { cpu: { limit: null }, description: "a \u{1f98e}" });
  await ask("PATCH", "/v1/machines/web", { cpu: { limit: "much" } });
  for (const verb of ["pause", "resume", "reset", "hibernate", "start", "shutdown", "start", "stop", "stop"]) {
    await ask("POST", `/v1/machines/web/${verb}${["pause", "resume", "reset", "stop"].includes(verb) ? "" : wait}`);
  }
  await ask("POST", `/v1/machines/web/start${wait}`);
  await ask("POST", `/v1/machines/web/exec${wait}`, { command: ["uname", "-a"] });
  await ask("GET", "/v1/machines/web/logs?lines=5");
  await ask("GET", "/v1/machines/web/samples");
  await ask("POST", `/v1/machines/web/snapshots${wait}`, { snapshot: "clean" });
  await ask("GET", "/v1/machines/web/snapshots");
  await ask("POST", `/v1/machines/web/snapshots/clean/restore${wait}`);
  await ask("POST", `/v1/machines/web/fork${wait}`, { count: 2, snapshot: "clean" });
  await ask("DELETE", `/v1/machines/web/snapshots/clean${wait}`);
  await ask("DELETE", `/v1/machines/web-2${wait}`);
  await ask("POST", "/v1/pools", { name: "lab" });
  await ask("GET", "/v1/pools");
  await ask("PATCH", "/v1/pools/lab", { cpu: { shares: 5 } });
  await ask("DELETE", "/v1/pools/lab");
  await ask("DELETE", "/v1/pools/lab");
  await ask("GET", "/v1/images");
  const { body: begun } = await ask("POST", "/v1/images/debian-mini/build");
  await ask("GET", `/v1/operations/${begun.id}?waitMs=10000`);
  await ask("GET", "/v1/operations");
  await ask("GET", "/v1/operations/none");
  await ask("GET", "/v1/events?last=3");
  await ask("GET", "/v1/audit?last=5");
  await ask("GET", "/v1/tokens");
  await ask("GET", "/v1/tokens/current");
  const { body: made } = await ask("POST", "/v1/tokens", { label: "ci", role: "viewer", expiresInSeconds: 60 });
  await ask("DELETE", `/v1/tokens/${made.token.id}`);
  await ask("GET", "/metrics");
  const { body: upload } = await ask("POST", "/v1/imports", { name: "copy" });
  await ask("GET", `/v1/imports/${upload.id}`);
  await ask("PATCH", `/v1/imports/${upload.id}`, "bytes", {
    "Content-Type": "application/offset+octet-stream",
    "Upload-Offset": "0",
  });
  await ask("HEAD", `/v1/imports/${upload.id}`);
  await ask("POST", `/v1/imports/${upload.id}/finish${wait}`);
  await ask("DELETE", `/v1/imports/${upload.id}`);
  await ask("GET", "/v1/machines/web/export");
  const missed = Object.keys(ACTIONS).filter((name) => !called.has(name));
  expect(missed).toEqual([]);
});
