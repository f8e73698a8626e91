/** How an action of the table is asked for over HTTP: the same to whoever serves it and to whoever calls. */
import { ACTIONS, type ActionInput, type ActionName } from "./actions.js";

export const METHODS = ["GET", "POST", "PATCH", "DELETE"] as const;
export type Method = (typeof METHODS)[number];

export interface Route {
  readonly method: Method;
  /** With names in braces. */
  readonly path: string;
  /** The properties of the input that stand in the path. */
  readonly pathNames: readonly string[];
  /** Where the other properties are. */
  readonly rest: "query" | "body";
}

/** What an action's HTTP request looks like. */
export function routeOf(http: string): Route {
  const [method, path] = http.split(" ") as [Method, string];
  const pathNames = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
  return { method, path, pathNames, rest: method === "GET" || method === "DELETE" ? "query" : "body" };
}

export interface RestRequest {
  readonly method: Method;
  /** From the root, with its query. */
  readonly target: string;
  readonly body: Readonly<Record<string, unknown>> | null;
}

/** The request that an action is made by. Its input is checked by whoever answers. */
export function restRequest<A extends ActionName>(
  action: A,
  input: ActionInput<A>,
  query: Readonly<Record<string, string>> = {},
): RestRequest {
  const { method, path, pathNames, rest } = routeOf(ACTIONS[action].http);
  const fields = Object.entries(input as Record<string, unknown>).filter(([, value]) => value !== undefined);
  const inPath = Object.fromEntries(fields.filter(([name]) => pathNames.includes(name)));
  const others = fields.filter(([name]) => !pathNames.includes(name));
  const words = [...Object.entries(query), ...(rest === "query" ? others : [])].map(
    ([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`,
  );
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(inPath[name])));
  return {
    method,
    target: words.length === 0 ? filled : `${filled}?${words.join("&")}`,
    body: rest === "body" ? Object.fromEntries(others) : null,
  };
}
