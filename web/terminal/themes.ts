import type { ITheme } from "@xterm/xterm";

/** The terminal's colours by day; the surface is theme.css's --terminal. */
const LIGHT: ITheme = {
  background: "#fcfdfb",
  foreground: "#1c2622",
  cursor: "#1f7a4d",
  cursorAccent: "#fcfdfb",
  selectionBackground: "#c9e4d4",
  scrollbarSliderBackground: "#1c262226",
  scrollbarSliderHoverBackground: "#1c262240",
  scrollbarSliderActiveBackground: "#1c262259",
  black: "#1c2622",
  red: "#b3261e",
  green: "#1f7a4d",
  yellow: "#8a5a00",
  blue: "#1d5fa8",
  magenta: "#8a3a8f",
  cyan: "#0f7480",
  white: "#66746d",
  brightBlack: "#5a6a62",
  brightRed: "#cf3a30",
  brightGreen: "#1a8a55",
  brightYellow: "#9a6a00",
  brightBlue: "#2a72c8",
  brightMagenta: "#a04aa6",
  brightCyan: "#12818f",
  brightWhite: "#3c4a43",
};

const DARK: ITheme = {
  background: "#121917",
  foreground: "#dbe5df",
  cursor: "#6fcf9b",
  cursorAccent: "#121917",
  selectionBackground: "#2f5a46",
  scrollbarSliderBackground: "#dbe5df26",
  scrollbarSliderHoverBackground: "#dbe5df40",
  scrollbarSliderActiveBackground: "#dbe5df59",
  black: "#26322d",
  red: "#f2918a",
  green: "#6fcf9b",
  yellow: "#e2b25a",
  blue: "#86b7f0",
  magenta: "#d9a1de",
  cyan: "#6fcbd3",
  white: "#c3cfc8",
  brightBlack: "#8fa398",
  brightRed: "#ffb0aa",
  brightGreen: "#92e3b6",
  brightYellow: "#f3cc80",
  brightBlue: "#a9cdf8",
  brightMagenta: "#ebc0ee",
  brightCyan: "#96e0e6",
  brightWhite: "#f1f6f3",
};

/** Follows what the system prefers, now and when that changes, until `signal` aborts. */
export function followColorScheme(apply: (theme: ITheme) => void, signal: AbortSignal): void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const update = (): void => apply(dark.matches ? DARK : LIGHT);
  dark.addEventListener("change", update, { signal });
  update();
}
