// What somebody asks for on this page, and the dialogs that do it.
import { call, segment } from "../../api/client.ts";
import { Confirm } from "../../parts/actions.tsx";
import { say } from "../../parts/toasts.tsx";
import { ChannelForm, RouteForm } from "./forms.tsx";
import type { Channel, Route } from "./types.ts";

export type Asked =
  | { what: "channel"; of?: Channel }
  | { what: "remove-channel"; of: Channel }
  | { what: "route"; of?: Route }
  | { what: "remove-route"; of: Route };

export const channelPath = (channel: Channel): string =>
  `/notifications/channels/${segment(channel.channel_id)}`;
export const routePath = (route: Route): string => `/notifications/routes/${segment(route.route_id)}`;

export function Dialogs({
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
