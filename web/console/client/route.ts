import { signal } from "@preact/signals";

/** Where in the console the person is; it is the address's fragment, so that reloads and links lead back. */
export type Route =
  | { readonly view: "machines" | "images" | "pools" | "events" | "access" }
  | { readonly view: "machine"; readonly name: string; readonly tab: MachineTab };

export const MACHINE_TABS = ["overview", "console", "snapshots", "events"] as const;
export type MachineTab = (typeof MACHINE_TABS)[number];

export const route = signal<Route>(readRoute(location.hash));

addEventListener("hashchange", () => {
  route.value = readRoute(location.hash);
});

export function addressOf(to: Route): string {
  return to.view === "machine" ? `#/machines/${to.name}/${to.tab}` : `#/${to.view}`;
}

export function go(to: Route): void {
  location.hash = addressOf(to);
}

export function readRoute(hash: string): Route {
  const [view = "", name, tab] = hash.replace(/^#\/?/, "").split("/");
  if (view === "machines" && name !== undefined && name !== "") {
    return {
      view: "machine",
      name: decodeURIComponent(name),
      tab: MACHINE_TABS.find((known) => known === tab) ?? "overview",
    };
  }
  if (view === "images" || view === "pools" || view === "events" || view === "access") return { view };
  return { view: "machines" };
}
