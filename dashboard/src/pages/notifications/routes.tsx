// By which routes alerts come to channels.
import type { Data } from "../../api/query.ts";
import { may } from "../../api/session.ts";
import type { Page as Rows } from "../../api/types.ts";
import { adviceFor } from "../../logic/advice.ts";
import { period } from "../../logic/format.ts";
import { ActionButton, act } from "../../parts/actions.tsx";
import { Icon } from "../../parts/icons.tsx";
import { Menu } from "../../parts/menu.tsx";
import { Section } from "../../parts/page.tsx";
import { Shown } from "../../parts/states.tsx";
import { Status } from "../../parts/status.tsx";
import { type Asked, routePath } from "./asked.tsx";
import type { Channel, Route } from "./types.ts";
import { WORDS } from "./words.ts";

export function Routes({
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
                        : `again after ${period(route.repeat_seconds)}`}
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
