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

/** Commands that ask the API; the others look into the database, or start something. */
const ASKING = new Set(
  "demo doctor events notifications submit task top webhooks workers workflow".split(" "),
);
/** Where they ask if they are told nothing else. */
const USUAL = /^http:\/\/(127\.0\.0\.1|localhost):8000\/?$/;

/** Return a `celeriac` command of these words, as it has to be for the API at this address: never with a key in it. */
export function celeriac(server: string, words: readonly string[]): string {
  const where = ASKING.has(words[0] ?? "") && !USUAL.test(server) ? ["--url", server.replace(/\/$/, "")] : [];
  return ["celeriac", ...[...words, ...where].map(quoted)].join(" ");
}
