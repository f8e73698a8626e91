import { VivariumError } from "../../util/errors.js";

/** @throws VivariumError `download/failed`, saying whether nobody answered or what was answered */
export async function fetchFile(url: URL): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url);
  } catch {
    throw downloadFailed(url, "there was no answer; is the server still there?");
  }
  if (!response.ok) throw downloadFailed(url, `the server answered ${response.status} ${response.statusText}`.trim());
  return response;
}

export function downloadFailed(url: URL, problem: string): VivariumError {
  return new VivariumError("download/failed", `${url.pathname}: ${problem}`, { url: url.href });
}
