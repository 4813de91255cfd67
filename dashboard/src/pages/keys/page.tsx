// Who may do what: keys without their secrets, which are shown once, when they are made.
import { useState } from "preact/hooks";
import { call, segment } from "../../api/client.ts";
import { useData } from "../../api/query.ts";
import { may, me, signIn } from "../../api/session.ts";
import type { Page as Rows } from "../../api/types.ts";
import { count, plural } from "../../logic/format.ts";
import { ActionButton, act, Confirm } from "../../parts/actions.tsx";
import { By } from "../../parts/by.tsx";
import { CopyAs } from "../../parts/copy.tsx";
import { Icon } from "../../parts/icons.tsx";
import { Menu } from "../../parts/menu.tsx";
import { PageHead, type PageProps, Section } from "../../parts/page.tsx";
import { SecretOnce } from "../../parts/secret.tsx";
import { Empty, Shown } from "../../parts/states.tsx";
import { Status } from "../../parts/status.tsx";
import { Ago, clock, Time } from "../../parts/time.tsx";
import { say } from "../../parts/toasts.tsx";
import { href, params, setParams } from "../../router.ts";
import { KeyForm } from "./form.tsx";
import { type Issued, isOver, type Key, lookOfKey, type TurnedAway } from "./types.ts";
import { WORDS } from "./words.ts";
import "./page.css";

const pathOf = (key: Key): string => `/api-keys/${segment(key.key_id)}`;

export default function Page(_props: PageProps) {
  const keys = useData<Rows<Key> & { turned_away: TurnedAway }>(may("admin") ? "/api-keys" : null, {
    query: { limit: 200, rows: "data" },
    every: 15_000,
  });
  const [issued, setIssued] = useState<Issued | null>(null);
  const [asked, setAsked] = useState<{ what: "change" | "rotate" | "revoke"; of: Key } | null>(null);
  const now = clock.value.now;
  const found = keys.value?.data;
  const isFirst = me.value?.kind === "local";
  const closeForm = () => setParams({ make: null }, { replace: true });
  if (!may("admin"))
    return <PageHead title={WORDS.title} lead="Keys are seen and made with a key that has admin." />;
  return (
    <>
      <PageHead title={WORDS.title} lead={found && verdict(found, { now, isOpen: isFirst })}>
        <ActionButton needs="admin" primary onClick={() => setParams({ make: "1" })}>
          <Icon name="plus" /> {isFirst ? WORDS.makeFirst : WORDS.make}
        </ActionButton>
        <CopyAs command={{ path: "/api-keys", cli: ["keys", "list"] }} />
      </PageHead>
      <Shown data={keys}>
        {(shown) => {
          const live = shown.data.filter((key) => !isOver(key, now));
          const over = shown.data.filter((key) => isOver(key, now));
          return (
            <>
              <Refused of={shown.turned_away} />
              {live.length === 0 ? (
                <Empty icon="unplug">
                  <p>{isFirst ? WORDS.firstText : WORDS.noneText}</p>
                </Empty>
              ) : (
                <ul class="keys">
                  {live.map((key) => (
                    <KeyRow
                      key={key.key_id}
                      of={key}
                      now={now}
                      onAsk={(what) => setAsked({ what, of: key })}
                      onDone={keys.refresh}
                    />
                  ))}
                </ul>
              )}
              {over.length > 0 && (
                <Section title={WORDS.ended} note={count(over.length)} flush>
                  <ul class="keys">
                    {over.map((key) => (
                      <KeyRow key={key.key_id} of={key} now={now} />
                    ))}
                  </ul>
                </Section>
              )}
            </>
          );
        }}
      </Shown>
      {params.value.has("make") && may("admin") && (
        <KeyForm
          isFirst={isFirst}
          onClose={closeForm}
          onSubmit={async (wanted) => {
            const made = await call<Issued>("POST", "/api-keys", { body: wanted });
            setIssued(made);
            // From the first key on nobody is let in without one: whoever made it goes on with it.
            if (isFirst) await signIn(made.key);
            keys.refresh();
          }}
        />
      )}
      {asked && (
        <Asked {...asked} onClose={() => setAsked(null)} onDone={keys.refresh} onIssued={setIssued} />
      )}
      {issued && (
        <SecretOnce
          title={`${WORDS.secret} ${issued.name}`}
          secret={issued.key}
          onClose={() => setIssued(null)}
        >
          <p class="muted">{WORDS.secretText}</p>
        </SecretOnce>
      )}
    </>
  );
}

/** Clients that are refused: nothing else tells whoever runs them. */
function Refused({ of: it }: { of: TurnedAway }) {
  if (it.count === 0 || it.latest_at === null) return null;
  return (
    <p class="note" data-tone="waiting">
      <Icon name="warning" />
      <span>
        {plural(it.count, "request was", "requests were")} {WORDS.refused} (latest <Time at={it.latest_at} />
        {it.latest_from && `, from ${it.latest_from}`}).
      </span>
    </p>
  );
}

/** `isOpen`: nobody is asked for a key. */
function verdict(keys: readonly Key[], { now, isOpen }: { now: number; isOpen: boolean }): string {
  const live = keys.filter((key) => !isOver(key, now) && !key.disabled);
  if (live.length === 0) return isOpen ? WORDS.open : WORDS.none;
  const admins = live.filter((key) => key.scopes.includes("admin")).length;
  const soon = live.filter((key) => lookOfKey(key, now).word === "ends soon").length;
  const ends = soon === 0 ? "" : ` ${plural(soon, "key ends", "keys end")} within a week.`;
  return `${plural(live.length, "key is valid", "keys are valid")}, ${admins === 0 ? "none" : count(admins)} of them with admin.${ends}`;
}

function KeyRow({
  of: key,
  now,
  onAsk,
  onDone,
}: {
  of: Key;
  now: number;
  onAsk?: (what: "change" | "rotate" | "revoke") => void;
  onDone?: () => void;
}) {
  const limits = [
    key.queues.length > 0 && `queues ${key.queues.join(", ")}`,
    key.task_names.length > 0 && `tasks ${key.task_names.join(", ")}`,
    key.allowed_networks.length > 0 && `from ${key.allowed_networks.join(", ")}`,
    key.rate_limit_per_minute !== null && `${plural(key.rate_limit_per_minute, "request")} a minute`,
  ].filter(Boolean);
  return (
    <li class="keys-row" data-off={isOver(key, now) || key.disabled ? "" : undefined}>
      <Status look={lookOfKey(key, now)} plain />
      <div class="key-what">
        <p>
          <b>{key.name}</b> <code class="muted">{key.key_id}</code>
        </p>
        <p class="key-scopes">
          {key.scopes.map((scope) => (
            <span key={scope} class="chip">
              {scope}
            </span>
          ))}
          {limits.length > 0 && <span class="muted">only {limits.join(" · ")}</span>}
        </p>
      </div>
      <div class="key-when muted">
        <p>
          {key.last_used_at === null ? (
            "never used"
          ) : (
            <>
              used <Ago at={key.last_used_at} />
              {key.last_used_from && ` from ${key.last_used_from}`}
            </>
          )}
        </p>
        <p>
          made <Ago at={key.created_at} /> by <By label={key.created_by} />
          {key.expires_at !== null && key.revoked_at === null && (
            <>
              {" "}
              · {Date.parse(key.expires_at) > now ? "ends" : "ended"} <Time at={key.expires_at} />
            </>
          )}
          {key.previous_expires_at !== null && Date.parse(key.previous_expires_at) > now && (
            <>
              {" "}
              · old secret until <Time at={key.previous_expires_at} />
            </>
          )}
        </p>
      </div>
      {onAsk && (
        <Menu
          label={`Actions for key ${key.name}`}
          items={[
            { label: "Change", run: () => onAsk("change") },
            { label: "New secret", run: () => onAsk("rotate") },
            { label: key.disabled ? "Switch on" : "Switch off", run: () => disable(key).then(onDone) },
            { label: "What was done with it", href: href("/audit", { actor: `api_key:${key.key_id}` }) },
            { label: "Revoke", isDangerous: true, run: () => onAsk("revoke") },
          ]}
        >
          <Icon name="more" />
        </Menu>
      )}
    </li>
  );
}

const disable = (key: Key) =>
  act("PATCH", pathOf(key), {
    body: { disabled: !key.disabled },
    done: key.disabled ? `${key.name} is valid again` : `${key.name} is refused within a second`,
  });

function Asked({
  what,
  of: key,
  onClose,
  onDone,
  onIssued,
}: {
  what: "change" | "rotate" | "revoke";
  of: Key;
  onClose: () => void;
  onDone: () => void;
  onIssued: (issued: Issued) => void;
}) {
  const path = pathOf(key);
  if (what === "change")
    return (
      <KeyForm
        known={key}
        onClose={onClose}
        onSubmit={async (wanted) => {
          await call("PATCH", path, { body: wanted });
          say("Saved: in force within a second", { tone: "completed" });
          onDone();
        }}
      />
    );
  if (what === "rotate")
    return (
      <Confirm
        title={`A new secret for ${key.name}?`}
        verb="New secret"
        tone="plain"
        command={{ method: "POST", path: `${path}/rotate` }}
        onClose={onClose}
        onConfirm={async () => {
          onIssued(await call<Issued>("POST", `${path}/rotate`));
          onDone();
        }}
      >
        <p>The old one stays valid beside it for a while, so that whoever uses it can change over.</p>
      </Confirm>
    );
  return (
    <Confirm
      title={`Revoke ${key.name}?`}
      verb="Revoke"
      command={{ method: "DELETE", path }}
      onClose={onClose}
      onConfirm={async () => {
        await call("DELETE", path);
        say(`${key.name} is refused within a second`, { tone: "completed" });
        onDone();
      }}
    >
      <p>It ends for good, and so do the sign-ins that were made with it. What it was stays in the list.</p>
    </Confirm>
  );
}
