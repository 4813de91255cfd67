// One channel: how it takes what is sent to it, and what can be done with it.
import { may } from "../../api/session.ts";
import { duration } from "../../logic/format.ts";
import { ActionButton, act } from "../../parts/actions.tsx";
import { Icon } from "../../parts/icons.tsx";
import { Menu } from "../../parts/menu.tsx";
import { Status } from "../../parts/status.tsx";
import { Ago, Time } from "../../parts/time.tsx";
import { say } from "../../parts/toasts.tsx";
import { type Asked, channelPath } from "./asked.tsx";
import { type Channel, lookOfChannel, outcomeOf } from "./types.ts";

export function ChannelRow({
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
                  }).then(onDone),
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
