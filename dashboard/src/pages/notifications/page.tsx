// Who is told of alerts, by which routes, and what became of the messages.
import { useState } from "preact/hooks";
import { useData } from "../../api/query.ts";
import type { Page as Rows } from "../../api/types.ts";
import { count, plural, time } from "../../logic/format.ts";
import { ActionButton } from "../../parts/actions.tsx";
import { CopyAs } from "../../parts/copy.tsx";
import { Icon } from "../../parts/icons.tsx";
import { PageHead, type PageProps, Section } from "../../parts/page.tsx";
import { Empty, Shown } from "../../parts/states.tsx";
import { stillClock } from "../../parts/time.tsx";
import { type Asked, Dialogs } from "./asked.tsx";
import { ChannelRow } from "./channel.tsx";
import { Messages } from "./messages.tsx";
import { Routes } from "./routes.tsx";
import { type Channel, type Message, outcomeOf, type Route } from "./types.ts";
import { WORDS } from "./words.ts";
import "./page.css";

export default function Page(_props: PageProps) {
  const query = { limit: 200, rows: "data" };
  const channels = useData<Rows<Channel>>("/notifications/channels", {
    query,
    every: 10_000,
    topics: ["alerts"],
  });
  const routes = useData<Rows<Route>>("/notifications/routes", { query, every: 30_000 });
  const messages = useData<Rows<Message>>("/notifications/messages", {
    query: { limit: 50, rows: "data" },
    every: 10_000,
    topics: ["alerts"],
  });
  const [asked, setAsked] = useState<Asked | null>(null);
  const found = channels.value?.data;
  const failing = found?.filter((one) => one.enabled && one.failing_since !== null).length ?? 0;
  const refresh = () => {
    channels.refresh();
    routes.refresh();
  };
  return (
    <>
      <PageHead
        title={WORDS.title}
        lead={found && routes.value && verdict(found, routes.value.data)}
        state={failing > 0 ? `✕ ${failing}` : undefined}
      >
        <CopyAs command={{ path: "/notifications/channels", cli: ["notifications", "channels"] }} />
      </PageHead>
      <Section
        title={WORDS.channels}
        note={WORDS.channelsNote}
        flush
        actions={
          <ActionButton needs="admin" onClick={() => setAsked({ what: "channel" })}>
            <Icon name="plus" /> {WORDS.makeChannel}
          </ActionButton>
        }
      >
        <Shown data={channels}>
          {(shown) =>
            shown.data.length === 0 ? (
              <Empty icon="send">
                <p>{WORDS.noneText}</p>
              </Empty>
            ) : (
              <ul class="list">
                {shown.data.map((channel) => (
                  <ChannelRow key={channel.channel_id} channel={channel} onAsk={setAsked} onDone={refresh} />
                ))}
              </ul>
            )
          }
        </Shown>
      </Section>
      {found && found.length > 0 && (
        <Routes routes={routes} channels={found} onAsk={setAsked} onDone={refresh} />
      )}
      <Messages messages={messages} channels={found ?? []} />
      {asked && (
        <Dialogs asked={asked} channels={found ?? []} onClose={() => setAsked(null)} onDone={refresh} />
      )}
    </>
  );
}

function verdict(channels: readonly Channel[], routes: readonly Route[]): string {
  if (channels.length === 0) return WORDS.none;
  const live = channels.filter((one) => one.enabled);
  const failing = live.filter((one) => one.failing_since !== null);
  if (failing.length === 1) {
    const since = time(failing[0]!.failing_since, stillClock());
    return `Messages to ${failing[0]!.name} have failed since ${since}: ${outcomeOf(failing[0]!)}.`;
  }
  if (failing.length > 1)
    return `Messages to ${count(failing.length)} of ${plural(channels.length, "channel")} fail.`;
  const led = new Set(routes.filter((one) => one.enabled).flatMap((one) => one.channel_ids));
  const told = live.filter((one) => led.has(one.channel_id));
  if (told.length === 0) return "No route leads to a channel: nobody is told of alerts.";
  return `Alerts are told through ${told.map((one) => one.name).join(", ")}.`;
}
