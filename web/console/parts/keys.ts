import { useLayoutEffect } from "preact/hooks";

/** What keys do on the page as a whole: not while something is typed, and not in a window above it. */
export function useKeys(keys: Readonly<Record<string, () => void>>): void {
  // With the page that is drawn, not after its first paint: a key pressed as soon as a view is seen must not be lost.
  useLayoutEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
      const target = event.target as Element;
      if (target.closest("input, textarea, select, dialog, .terminal, [role=menu]") !== null) return;
      const action = keys[event.key];
      if (action === undefined) return;
      event.preventDefault();
      action();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  });
}
