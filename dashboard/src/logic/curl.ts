// A request of this page as a command: what is seen can be done again, without a page.

/** Return a text in single quotes for a shell, or as it is where it needs none. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Return a `curl` command; the key stays in the environment of who runs it. */
export function curl(method: string, url: string, body?: string, needsKey = false): string {
  const parts = ["curl -sS"];
  if (method !== "GET") parts.push(`-X ${method}`);
  if (needsKey) parts.push(`-H "Authorization: Bearer $CELERIAC_API_KEY"`);
  if (body !== undefined) parts.push("-H 'Content-Type: application/json'", `-d ${quoted(body)}`);
  parts.push(quoted(url));
  return parts.join(" ");
}

/** Return a `celeriac` command of these words. */
export function celeriac(...words: string[]): string {
  return ["celeriac", ...words.map(quoted)].join(" ");
}
