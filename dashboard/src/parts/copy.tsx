// Copying: an id, a link, and every view and action as a command.
import { signal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { apiUrl, BASE, type Query } from "../api/client.ts";
import { writeExact } from "../api/json.ts";
import { me } from "../api/session.ts";
import { celeriac, curl } from "../logic/curl.ts";
import { shortId } from "../logic/format.ts";
import { fixedAt, looksBack } from "../logic/moments.ts";
import { href, params, place } from "../router.ts";
import { WORDS } from "../words.ts";
import { Dialog } from "./dialog.tsx";
import { Icon } from "./icons.tsx";
import { Menu } from "./menu.tsx";
import { say } from "./toasts.tsx";

const uncopied = signal<string | null>(null);

/** Put a text on the clipboard; where the browser forbids that, show it selected. Returns whether it is there. */
export async function copy(text: string, what = WORDS.copied as string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    say(what);
    return true;
  } catch {
    uncopied.value = text;
    return false;
  }
}

/** Drawn once, by the frame. */
export function CopyByHand() {
  const field = useRef<HTMLTextAreaElement>(null);
  if (uncopied.value === null) return null;
  return (
    <Dialog title="Copy" onClose={() => (uncopied.value = null)}>
      <p>{WORDS.copyFailed}</p>
      <textarea
        ref={field}
        class="field mono"
        readOnly
        rows={5}
        aria-label="Text to copy"
        value={uncopied.value}
        onFocus={() => field.current?.select()}
      />
    </Dialog>
  );
}

/** An id, short, with a button that copies it whole. */
export function Id({ id, to, whole }: { id: string; to?: string; whole?: boolean }) {
  const text = whole ? id : shortId(id);
  return (
    <span class="id-group">
      {to ? (
        <a class="id quiet" href={to} title={id}>
          {text}
        </a>
      ) : (
        <code class="id" title={id}>
          {text}
        </code>
      )}
      <button type="button" class="icon-button small" aria-label={`Copy id ${id}`} onClick={() => copy(id)}>
        <Icon name="copy" />
      </button>
    </span>
  );
}

export interface Command {
  method?: string;
  path: string;
  query?: Query | URLSearchParams;
  body?: unknown;
  /** The words of the same as a command of the program, where there is one. */
  cli?: readonly string[];
}

/** Return the command for a request of the API. */
export function asCurl(command: Command): string {
  const body = command.body === undefined ? undefined : writeExact(command.body);
  const needsKey = me.peek() !== null && me.peek()!.kind !== "local";
  return curl(command.method ?? "GET", apiUrl(command.path, command.query), body, needsKey);
}

/** Return the command of the program with these words, for this server. */
export const asCeleriac = (...words: string[]): string => celeriac(new URL("../", BASE).href, words);

/** The menu that copies this view, or an action, as a command. `until`: the parameter that a link as of now ends by. */
export function CopyAs({
  command,
  link = true,
  until,
}: {
  command: Command;
  link?: boolean;
  until?: string;
}) {
  const hasFixed = until !== undefined || looksBack(params.value);
  return (
    <Menu
      label="Copy as a command"
      items={[
        { label: "Copy as curl", key: "Y", run: () => copy(asCurl(command), "Copied as curl") },
        command.cli
          ? { label: "Copy as celeriac", run: () => copy(asCeleriac(...command.cli!), "Copied as a command") }
          : null,
        link && { label: "Copy link", run: () => copy(location.href, "Link copied") },
        link &&
          hasFixed && {
            label: "Copy link as of now",
            run: () => copy(fixedLink(until), "Link copied, as of now"),
          },
      ]}
    >
      <Icon name="terminal" />
    </Menu>
  );
}

/** The address of this view as it is now, whenever it is opened. */
const fixedLink = (until?: string): string =>
  location.origin + href(place.peek().path, fixedAt(params.peek(), Date.now(), until));
