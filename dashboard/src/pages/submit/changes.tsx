// What differs, one line each: where, what it was, what it is.
import { writeExact } from "../../api/json.ts";
import type { Difference } from "../../logic/patch.ts";
import { WORDS } from "./words.ts";
import "./changes.css";

const LONGEST = 400;

export function Changes({ of, first = "" }: { of: readonly Difference[]; first?: string }) {
  if (of.length === 0) return <p class="muted changes-none">{first || WORDS.unchanged}</p>;
  return (
    <ul class="changes">
      {of.slice(0, 200).map((one) => (
        <li key={`${one.op}${one.path}`}>
          <code class="changes-path">{one.path}</code>
          <span class="changes-values">
            {one.op !== "add" && (
              <code class="changes-old">
                <span class="sr">was </span>
                {shown(one.old)}
              </code>
            )}
            <span aria-hidden="true">{one.op === "remove" ? "taken away" : "→"}</span>
            {one.op !== "remove" && (
              <code>
                <span class="sr">is </span>
                {shown(one.value)}
              </code>
            )}
          </span>
        </li>
      ))}
      {of.length > 200 && <li class="muted">and {of.length - 200} more</li>}
    </ul>
  );
}

function shown(value: unknown): string {
  const text = value === undefined ? "–" : writeExact(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}
