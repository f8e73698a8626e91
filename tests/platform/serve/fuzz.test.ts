import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ACTIONS } from "../../../host/control/hypervisor/actions.js";
import { TestDaemon } from "./harness.js";

const RUNS = Number(process.env.VIV_REST_FUZZ_RUNS ?? 1500);
/** Longer than any answer of a hypervisor without machines takes. */
const ANSWER_MS_MAX = 5000;

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.open();
  await daemon.createMachine("web");
});
afterAll(() => daemon.close());

interface Schema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly minimum?: number;
  readonly maximum?: number;
}

const NASTY_TEXTS = [
  "",
  "web",
  "root",
  "..",
  "../../etc/passwd",
  "..%2f..%2fetc",
  "/etc/passwd",
  "a\0b",
  "%00",
  "%",
  "%zz",
  "\u202eweb",
  "\ud800",
  "\u{1f98e}".repeat(50),
  "é".normalize("NFD"),
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "'; DROP TABLE token; --",
  "{{7*7}}",
  "x".repeat(70_000),
  "-1",
  "1e999",
  "NaN",
  "null",
];

const nastyText = fc.oneof(fc.constantFrom(...NASTY_TEXTS), fc.string({ unit: "binary", maxLength: 40 }), fc.string());
const nastyValue: fc.Arbitrary<unknown> = fc.oneof(
  nastyText,
  fc.double(),
  fc.constantFrom(null, true, -1, 0, 2 ** 53, -(2 ** 53), 1e308, 0.1, [], {}, [[]], [null]),
  fc.jsonValue({ maxDepth: 3 }),
);

/** Mostly what the schema wants, sometimes something else. */
function around(schema: Schema): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 5, arbitrary: validOf(schema) }, { weight: 1, arbitrary: nastyValue });
}

function validOf(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map(around));
  switch (schema.type) {
    case "string":
      return fc.oneof(fc.constantFrom("web", "web-1", "root", "clean", "debian-mini"), nastyText);
    case "integer":
      return fc.integer({ min: (schema.minimum ?? 0) - 1, max: Math.min((schema.maximum ?? 1000) + 1, 5000) });
    case "number":
      return fc.double({ min: schema.minimum ?? 0, max: schema.maximum ?? 10, noNaN: true });
    case "boolean":
      return fc.boolean();
    case "array":
      return fc.array(around(schema.items ?? {}), { maxLength: 5 });
    case "object": {
      const fields = Object.entries(schema.properties ?? {}).map(([name, field]) => [name, around(field)] as const);
      const known = fc.record(Object.fromEntries(fields), { requiredKeys: [] });
      const others = fc.dictionary(nastyText, nastyValue, { maxKeys: 1 });
      return fc.oneof(
        { weight: 4, arbitrary: known },
        { weight: 1, arbitrary: fc.tuple(known, others).map(([a, b]) => ({ ...a, ...b })) },
      );
    }
    default:
      return nastyValue;
  }
}

/** A request of the table, about right. */
const request = fc.constantFrom(...Object.values(ACTIONS)).chain(({ http, input }) => {
  const [method, template] = http.split(" ") as [string, string];
  const names = [...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
  const { properties } = input as unknown as { properties: Record<string, Schema> };
  const rest = Object.fromEntries(Object.entries(properties).filter(([name]) => !names.includes(name)));
  return fc.record({
    method: fc.constant(method),
    words: fc.tuple(...names.map((name) => around(properties[name]!))),
    rest: around({ type: "object", properties: rest }),
    template: fc.constant(template),
    isRaw: fc.integer({ min: 0, max: 19 }).map((number) => number === 0),
  });
});

const RAW_BODIES = [
  "",
  "{",
  "[]",
  "null",
  '"text"',
  '{"name":"a","__proto__":{"admin":true}}',
  '{"name":"a","constructor":{"prototype":{"admin":true}}}',
  `${"[".repeat(50_000)}${"]".repeat(50_000)}`,
  '{"name":"a","name":"b"}',
  "\ufeff{}",
];

async function send(method: string, path: string, body: unknown): Promise<number> {
  let timer: NodeJS.Timeout | undefined;
  const hang = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${method} ${path} was not answered`)), ANSWER_MS_MAX);
  });
  try {
    const { status, body: answer } = await Promise.race([daemon.ask(method, path, { body }), hang]);
    if (status >= 400) {
      expect(typeof answer?.error?.code, `${method} ${path}`).toBe("string");
      expect(answer.error.message).not.toMatch(/\n|node_modules|\.ts:|\.js:/);
    }
    return status;
  } finally {
    clearTimeout(timer);
  }
}

/** As a path has it; half a surrogate has no UTF-8. */
function encoded(word: unknown): string {
  const text = typeof word === "string" ? word : (JSON.stringify(word) ?? "");
  return text === "" ? "%20" : encodeURIComponent(Buffer.from(text, "utf8").toString("utf8"));
}

test(`fuzz: ${RUNS} requests from the schemas and beyond are answered without an error of the daemon's own`, async () => {
  await fc.assert(
    fc.asyncProperty(request, fc.constantFrom(...RAW_BODIES), async ({ method, words, rest, template, isRaw }, raw) => {
      let index = 0;
      let path = template.replaceAll(/\{\w+\}/g, () => encoded((words as unknown[])[index++])).slice(0, 60_000);
      const isQuery = method === "GET" || method === "DELETE";
      if (isQuery && typeof rest === "object" && rest !== null) {
        const fields = Object.entries(rest).map(([name, value]) => `${encoded(name)}=${encoded(value)}`);
        path = `${path}?${fields.join("&")}`.slice(0, 12_000);
      }
      const body = isQuery ? undefined : isRaw ? raw : rest;
      const status = await send(method, path.slice(0, 12_000), body);
      expect(status, `${method} ${path.slice(0, 200)} ${JSON.stringify(body)?.slice(0, 500)}`).toBeLessThan(500);
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
  // Nothing that was sent became anybody's property.
  expect(({} as Record<string, unknown>).admin).toBeUndefined();
  expect(daemon.log).toEqual([]);
  expect((await daemon.ask("GET", "/v1/host")).status).toBe(200);
}, 120_000);

test("fuzz: paths, methods and headers that nobody foresaw are answered without an error of the daemon's own", async () => {
  const method = fc.constantFrom("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "PROPFIND");
  const path = fc.oneof(
    fc.webPath().map((text) => text || "/"),
    fc
      .constantFrom(...NASTY_TEXTS.filter((text) => /^[!-~]*$/.test(text)))
      .map((text) => `/v1/machines/${text}`.slice(0, 8000)),
    fc.constantFrom(
      "/v1/imports/AAAAAAAAAAAAAAAA",
      "/v1/machines/web/console",
      "/v1/machines/web/spawn",
      "/metrics",
      "/",
    ),
  );
  const header = fc.constantFrom(
    "Upload-Offset",
    "Range",
    "If-Range",
    "Prefer",
    "Last-Event-ID",
    "Content-Type",
    "Vivarium-Passphrase",
    "Accept-Encoding",
    "Expect",
    "Upgrade",
  );
  const value = fc.oneof(
    fc.constantFrom(
      "bytes=0-",
      "bytes=9-1",
      "bytes=-5",
      "wait=99999999999",
      "-1",
      "application/json;;;",
      "100-continue",
    ),
    fc.string({ maxLength: 50 }).map((text) => text.replaceAll(/[^ -~]/g, "?")),
  );
  await fc.assert(
    fc.asyncProperty(method, path, fc.dictionary(header, value, { maxKeys: 3 }), async (verb, where, headers) => {
      const { status } = await daemon.ask(verb, where, { headers, ...(verb === "POST" ? { body: {} } : {}) });
      expect(status, `${verb} ${where} ${JSON.stringify(headers)}`).toBeLessThan(500);
    }),
    { numRuns: Math.ceil(RUNS / 3), endOnFailure: true },
  );
  expect(daemon.log).toEqual([]);
}, 120_000);
