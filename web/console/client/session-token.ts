/** Where the page keeps the token it was given: in this tab, and on this computer if the person says so. */

const KEY = "vivarium.token";

/** The one from the address the daemon printed, which is then no longer in the address; else the one that was kept. */
export function takeToken(): string | null {
  const given = /(?:^#|&)token=([^&]+)/.exec(location.hash)?.[1];
  if (given !== undefined) {
    history.replaceState(null, "", location.pathname);
    keepToken(decodeURIComponent(given), false);
  }
  return sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY);
}

export function keepToken(token: string, remember: boolean): void {
  sessionStorage.setItem(KEY, token);
  if (remember) localStorage.setItem(KEY, token);
}

export function forgetToken(): void {
  sessionStorage.removeItem(KEY);
  localStorage.removeItem(KEY);
}
