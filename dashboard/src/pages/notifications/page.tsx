// Who is told of alerts, by which routes, and what became of the messages.
import { useState } from "preact/hooks";
import { call, segment } from "../../api/client.ts";
import { type Data, useData } from "../../api/query.ts";
import { may } from "../../api/session.ts";
import type { Page as Rows } from "../../api/types.ts";
import { adviceFor } from "../../logic/advice.ts";
import { about, count, duration, plural } from "../../logic/format.ts";
import { ActionButton, act, Confirm } from "../../parts/actions.tsx";
import { CopyAs } from "../../parts/copy.tsx";
import { type Column, Grid } from "../../parts/grid.tsx";
import { Icon } from "../../parts/icons.tsx";
import { Menu } from "../../parts/menu.tsx";
import { PageHead, type PageProps, Section } from "../../parts/page.tsx";
import { Empty, Shown } from "../../parts/states.tsx";
import { Status } from "../../parts/status.tsx";
import { Ago, stillClock, Time } from "../../parts/time.tsx";
import { say } from "../../parts/toasts.tsx";
import { ChannelForm, RouteForm } from "./forms.tsx";
import { type Channel, lookOfChannel, MESSAGE_LOOKS, type Message, outcomeOf, type Route } from "./types.ts";
import { WORDS } from "./words.ts";
import "./page.css";

type Asked =
  | { what: "channel"; of?: Channel }
  | { what: "remove-channel"; of: Channel }
  | { what: "route"; of?: Route }
  | { what: "remove-route"; of: Route };

const channelPath = (channel: Channel): string => `/notifications/channels/${segment(channel.channel_id)}`;
const routePath = (route: Route): string => `/notifications/routes/${segment(route.route_id)}`;

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
        <CopyAs command={{ path: "/notifications/channels", cli: "celeriac notifications channels" }} />
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
              <Empty title={WORDS.none} icon="send">
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
    const since = about((stillClock().now - Date.parse(failing[0]!.failing_since!)) / 1000);
    return `${failing[0]!.name} has taken no message for ${since}: ${outcomeOf(failing[0]!)}.`;
  }
  if (failing.length > 1)
    return `${count(failing.length)} of ${plural(channels.length, "channel")} take no messages.`;
  const led = new Set(routes.filter((one) => one.enabled).flatMap((one) => one.channel_ids));
  const told = live.filter((one) => led.has(one.channel_id));
  if (told.length === 0) return "No route leads to a channel: nobody is told of alerts.";
  return `Alerts are told through ${told.map((one) => one.name).join(", ")}.`;
}

function ChannelRow({
  channel,
  onAsk,
  onDone,
}: {
  channel: Channel;
  onAsk: (asked: Asked) => void;
  onDone: () => void;
}) {
  const path = channelPath(channel);
  const test = async () => {
    const found = await act<{ delivered: boolean; message: string; duration_seconds: number }>(
      "POST",
      `${path}/test`,
    );
    if (found)
      say(`${channel.name}: ${found.message} ${duration(found.duration_seconds)}`, {
        tone: found.delivered ? "completed" : "failed",
      });
    onDone();
  };
  return (
    <li class="notifications-row">
      <Status look={lookOfChannel(channel)} plain />
      <div>
        <b>{channel.name}</b> <code class="muted">{channel.url}</code>
        <p class="muted">
          {channel.last_attempt_at === null ? (
            "Nothing has been sent to it yet."
          ) : (
            <>
              last tried <Ago at={channel.last_attempt_at} />: {outcomeOf(channel)}
              {channel.failing_since !== null && (
                <>
                  {" "}
                  · failing since <Time at={channel.failing_since} />
                </>
              )}
            </>
          )}
        </p>
      </div>
      {may("admin") && (
        <div class="actions">
          <ActionButton needs="admin" onClick={test}>
            Test
          </ActionButton>
          <Menu
            label={`Actions for channel ${channel.name}`}
            items={[
              { label: "Change", run: () => onAsk({ what: "channel", of: channel }) },
              {
                label: channel.enabled ? "Switch off" : "Switch on",
                run: () =>
                  act("PATCH", path, {
                    body: { enabled: !channel.enabled },
                    done: channel.enabled ? "Switched off: what waited for it is dropped" : "Switched on",
                  }),
              },
              {
                label: "Delete",
                isDangerous: true,
                run: () => onAsk({ what: "remove-channel", of: channel }),
              },
            ]}
          >
            <Icon name="more" />
          </Menu>
        </div>
      )}
    </li>
  );
}

function Routes({
  routes,
  channels,
  onAsk,
  onDone,
}: {
  routes: Data<Rows<Route>>;
  channels: readonly Channel[];
  onAsk: (asked: Asked) => void;
  onDone: () => void;
}) {
  return (
    <Section
      title={WORDS.routes}
      note={WORDS.routesNote}
      flush
      actions={
        <ActionButton needs="admin" onClick={() => onAsk({ what: "route" })}>
          <Icon name="plus" /> {WORDS.makeRoute}
        </ActionButton>
      }
    >
      <Shown data={routes}>
        {(shown) =>
          shown.data.length === 0 ? (
            <p class="muted list-more">{WORDS.noRoutes}</p>
          ) : (
            <ol class="list">
              {shown.data.map((route) => (
                <li key={route.route_id} class="notifications-row">
                  <Status of={route.enabled ? "on" : "off"} look={route.enabled ? ON : undefined} plain />
                  <div>
                    <b>{route.name}</b> <span>{takes(route)}</span>
                    <p class="muted">
                      to{" "}
                      {route.channel_ids
                        .map((id) => channels.find((one) => one.channel_id === id)?.name ?? id)
                        .join(", ")}{" "}
                      ·{" "}
                      {route.repeat_seconds === null
                        ? "told once"
                        : `again after ${duration(route.repeat_seconds)}`}
                      {route.send_resolved ? ", and when it is over" : ""}
                    </p>
                  </div>
                  {may("admin") && (
                    <Menu
                      label={`Actions for route ${route.name}`}
                      items={[
                        { label: "Change", run: () => onAsk({ what: "route", of: route }) },
                        {
                          label: route.enabled ? "Switch off" : "Switch on",
                          run: async () => {
                            await act("PATCH", routePath(route), {
                              body: { enabled: !route.enabled },
                              done: "In force within 2 s",
                            });
                            onDone();
                          },
                        },
                        {
                          label: "Delete",
                          isDangerous: true,
                          run: () => onAsk({ what: "remove-route", of: route }),
                        },
                      ]}
                    >
                      <Icon name="more" />
                    </Menu>
                  )}
                </li>
              ))}
            </ol>
          )
        }
      </Shown>
    </Section>
  );
}

const ON = { word: "on", tone: "completed", shape: "ok" } as const;

/** `critical alerts of payments: Many tasks fail`. */
function takes(route: Route): string {
  const grave =
    route.severities.length === 0 ? "all" : route.severities.map((one) => one.toLowerCase()).join(" and ");
  const of = route.subjects.length === 0 ? "" : ` about ${route.subjects.join(", ")}`;
  const kinds = route.alert_types.map((type) => adviceFor({ type, subject: null }).name);
  return `takes ${grave} alerts${of}${kinds.length === 0 ? "" : `: ${kinds.join("; ")}`}`;
}

function Messages({ messages, channels }: { messages: Data<Rows<Message>>; channels: readonly Channel[] }) {
  const columns: Column<Message>[] = [
    {
      id: "status",
      title: "status",
      width: "108px",
      cell: (row) => <Status look={MESSAGE_LOOKS[row.status]} plain />,
    },
    {
      id: "title",
      title: "message",
      width: "minmax(160px, 2.4fr)",
      narrow: "title",
      cell: (row) => <span title={row.body}>{row.title}</span>,
    },
    {
      id: "channel",
      title: "channel",
      width: "minmax(80px, 1fr)",
      cell: (row) =>
        channels.find((one) => one.channel_id === row.channel_id)?.name ?? <span class="muted">deleted</span>,
    },
    {
      id: "outcome",
      title: "outcome",
      width: "minmax(80px, 1fr)",
      from: 700,
      narrow: "hide",
      cell: (row) => outcomeOf(row),
    },
    {
      id: "attempts",
      title: "attempts",
      width: "72px",
      align: "end",
      from: 700,
      narrow: "hide",
      cell: (row) => row.attempts,
    },
    { id: "at", title: "made", width: "104px", align: "end", cell: (row) => <Time at={row.created_at} /> },
  ];
  return (
    <Section title={WORDS.messages} note={WORDS.messagesNote} flush>
      <Shown data={messages}>
        {(shown) =>
          shown.data.length === 0 ? (
            <p class="muted list-more">{WORDS.noMessages}</p>
          ) : (
            <Grid
              label={WORDS.messages}
              rows={shown.data}
              columns={columns}
              rowKey={(row) => row.message_id}
            />
          )
        }
      </Shown>
    </Section>
  );
}

function Dialogs({
  asked,
  channels,
  onClose,
  onDone,
}: {
  asked: Asked;
  channels: readonly Channel[];
  onClose: () => void;
  onDone: () => void;
}) {
  const send =
    (path: string, known: string | undefined, done: string) => async (body: Record<string, unknown>) => {
      await call(known ? "PATCH" : "POST", known ?? path, { body });
      say(done, { tone: "completed" });
      onDone();
    };
  const remove = (path: string) => async () => {
    await call("DELETE", path);
    say("Deleted", { tone: "completed" });
    onDone();
  };
  if (asked.what === "channel")
    return (
      <ChannelForm
        known={asked.of}
        onClose={onClose}
        onSubmit={send("/notifications/channels", asked.of && channelPath(asked.of), "Saved: test it now")}
      />
    );
  if (asked.what === "route")
    return (
      <RouteForm
        known={asked.of}
        channels={channels}
        onClose={onClose}
        onSubmit={send(
          "/notifications/routes",
          asked.of && routePath(asked.of),
          "Saved: in force within 2 s",
        )}
      />
    );
  if (asked.what === "remove-channel")
    return (
      <Confirm
        title={`Delete ${asked.of.name}?`}
        verb="Delete"
        onClose={onClose}
        onConfirm={remove(channelPath(asked.of))}
      >
        <p>It is removed with its messages, and from every route.</p>
      </Confirm>
    );
  return (
    <Confirm
      title={`Delete ${asked.of.name}?`}
      verb="Delete"
      onClose={onClose}
      onConfirm={remove(routePath(asked.of))}
    >
      <p>What is planned already is still sent.</p>
    </Confirm>
  );
}
