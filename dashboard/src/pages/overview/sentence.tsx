// The sentence that says how it is, with what else is wrong and where to press.
import { maySee } from "../../api/session.ts";
import { count } from "../../logic/format.ts";
import type { Other, Verdict } from "../../logic/verdict.ts";
import { Icon } from "../../parts/icons.tsx";
import { Lead } from "../../parts/lead.tsx";
import { useTitle } from "../../parts/page.tsx";
import { href } from "../../router.ts";
import { WORDS } from "./words.ts";

const OTHERS_SHOWN = 3;
const LOOK = {
  ok: { tone: "completed", icon: "check", state: "" },
  noted: { tone: "waiting", icon: "alert", state: "" },
  warning: { tone: "waiting", icon: "warning", state: "▲" },
  critical: { tone: "failed", icon: "warning", state: "✕" },
  unknown: { tone: "quiet", icon: "clock", state: "" },
  empty: { tone: "quiet", icon: "inbox", state: "" },
} as const;

export function Sentence({ verdict }: { verdict: Verdict }) {
  const look = LOOK[verdict.tone];
  useTitle(WORDS.title, look.state);
  const links = verdict.links.filter((link) => maySee(link.to));
  return (
    <div class="verdict">
      <span class="verdict-mark" data-tone={look.tone}>
        <Icon name={look.icon} />
      </span>
      <div class="verdict-said">
        <p class="verdict-text">
          {verdict.text} {verdict.rest && <span>{verdict.rest}</span>}
        </p>
        <Others of={verdict.others} />
      </div>
      {links.length > 0 && (
        <div class="actions">
          {links.map((link) => (
            <a key={link.label} class="button" href={href(link.to)}>
              {link.label}
            </a>
          ))}
        </div>
      )}
    </div>
  );
}

/** What else is wrong: each sentence leads to its evidence. */
function Others({ of: others }: { of: readonly Other[] }) {
  if (others.length === 0) return null;
  const list = (some: readonly Other[]) => (
    <ul class="verdict-others">
      {some.map((one) => (
        <li key={one.text}>
          <Lead to={one.to}>{one.text}</Lead>
        </li>
      ))}
    </ul>
  );
  const hidden = others.slice(OTHERS_SHOWN);
  return (
    <>
      {list(others.slice(0, OTHERS_SHOWN))}
      {hidden.length > 0 && (
        <details>
          <summary>{count(hidden.length)} more</summary>
          {list(hidden)}
        </details>
      )}
    </>
  );
}
