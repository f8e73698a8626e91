import type { ComponentChildren } from "preact";
import { addressOf, type Route, route } from "../client/route.js";
import icon from "../icon.svg";
import { useApp } from "../parts/app-context.js";
import { Icon, type IconName } from "../parts/icon.js";
import { NoticeList } from "../parts/notices.js";

const PLACES: readonly {
  readonly view: Exclude<Route["view"], "machine">;
  readonly text: string;
  readonly icon: IconName;
}[] = [
  { view: "machines", text: "Machines", icon: "machines" },
  { view: "images", text: "Images", icon: "images" },
  { view: "pools", text: "Pools", icon: "pools" },
  { view: "events", text: "Events", icon: "events" },
  { view: "access", text: "Access", icon: "access" },
];

/** The frame around every view: where one can go, and whether the hypervisor answers. */
export function Shell({ children, onHelp }: { readonly children: ComponentChildren; readonly onHelp: () => void }) {
  const app = useApp();
  const { store, notices, signOut } = app;
  const here = route.value.view === "machine" ? "machines" : route.value.view;
  return (
    <div class="shell">
      <nav aria-label="Main">
        <h1>
          <img src={icon} alt="" width="22" height="22" />
          <span>Vivarium</span>
        </h1>
        <ul>
          {PLACES.map(({ view, text, icon }) => (
            <li key={view}>
              <a href={addressOf({ view })} aria-current={view === here ? "page" : undefined}>
                <Icon name={icon} />
                <span>{text}</span>
              </a>
            </li>
          ))}
        </ul>
        <div class="nav-end">
          <button type="button" class="plain" onClick={onHelp} title="Keys (?)">
            <Icon name="keyboard" />
            <span>Keys</span>
          </button>
          <button type="button" class="plain" onClick={signOut} title="Sign out">
            <Icon name="leave" />
            <span>Sign out</span>
          </button>
        </div>
      </nav>
      <div class="view">
        {store.connected.value === false && (
          <p class="banner" role="alert">
            The hypervisor does not answer. Trying again; what is shown may be old.
          </p>
        )}
        {children}
      </div>
      <NoticeList notices={notices} />
    </div>
  );
}
