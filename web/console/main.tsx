import "@xterm/xterm/css/xterm.css";
import "uplot/dist/uPlot.min.css";
import "./style.css";
import { render } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Connection } from "./client/connection.js";
import { go, type Route, route } from "./client/route.js";
import { forgetToken, takeToken } from "./client/session-token.js";
import { Store } from "./client/store.js";
import { AppContext } from "./parts/app-context.js";
import { useKeys } from "./parts/keys.js";
import { Notices } from "./parts/notices.js";
import { AccessView } from "./views/access-view.js";
import { EventsView } from "./views/events-view.js";
import { ImagesView } from "./views/images-view.js";
import { KeysHelp } from "./views/keys-help.js";
import { MachinePage } from "./views/machine-page.js";
import { MachinesView } from "./views/machines-view.js";
import { PoolsView } from "./views/pools-view.js";
import { Shell } from "./views/shell.js";
import { SignIn } from "./views/sign-in.js";

/** How long `g` waits for the key that says where to. */
const GO_MS = 1500;

function Console() {
  const [connection, setConnection] = useState(firstConnection);
  const [reason, setReason] = useState<string | null>(null);
  if (connection === null) return <SignIn reason={reason} onSignedIn={setConnection} />;
  const signOut = (why: string | null): void => {
    forgetToken();
    setReason(why);
    setConnection(null);
  };
  return <SignedIn key={connection.token} connection={connection} onSignOut={signOut} />;
}

function SignedIn({
  connection,
  onSignOut,
}: {
  readonly connection: Connection;
  readonly onSignOut: (reason: string | null) => void;
}) {
  const [isHelpOpen, setHelpOpen] = useState(false);
  const goingSince = useRef(0);
  // One for as long as this token counts.
  const app = useMemo(() => {
    const store = new Store(connection, () => onSignOut("This token counts no more."));
    return { store, notices: new Notices(), signOut: () => onSignOut(null) };
  }, [connection]);
  useEffect(() => {
    app.store.start();
    return () => app.store.stop();
  }, [app]);
  const goTo = (view: "machines" | "images" | "pools" | "events" | "access") => (): void => {
    if (Date.now() - goingSince.current < GO_MS) go({ view });
    goingSince.current = 0;
  };
  useKeys({
    "?": () => setHelpOpen(true),
    g: () => {
      goingSince.current = Date.now();
    },
    m: goTo("machines"),
    b: goTo("images"),
    p: goTo("pools"),
    e: goTo("events"),
    a: goTo("access"),
  });
  return (
    <AppContext.Provider value={app}>
      <Shell onHelp={() => setHelpOpen(true)}>
        <View to={route.value} />
      </Shell>
      {isHelpOpen && <KeysHelp onClose={() => setHelpOpen(false)} />}
    </AppContext.Provider>
  );
}

function View({ to }: { readonly to: Route }) {
  switch (to.view) {
    case "machines":
      return <MachinesView />;
    case "machine":
      return <MachinePage name={to.name} tab={to.tab} />;
    case "images":
      return <ImagesView />;
    case "pools":
      return <PoolsView />;
    case "events":
      return <EventsView />;
    case "access":
      return <AccessView />;
  }
}

function firstConnection(): Connection | null {
  const token = takeToken();
  return token === null ? null : new Connection(location.origin, token);
}

render(<Console />, document.body);
