// Holding a queue or a name back for a while, by a mark; and letting it go again.

import { mayMark } from "../api/session.ts";
import { ActionButton, act } from "./actions.tsx";
import { Icon } from "./icons.tsx";
import { Menu } from "./menu.tsx";

const TIMES = [
  [900, "15 minutes"],
  [3_600, "1 hour"],
  [14_400, "4 hours"],
  [86_400, "24 hours"],
] as const;

/** The menu that holds back what is submitted to a queue, or under a name. `service`: as a mark names it. */
export function HoldBack({ service, name }: { service: string; name: string }) {
  if (!mayMark()) return null;
  const hold = (seconds: number, words: string) =>
    act("POST", "/resilience/degradation/mark", {
      body: { service_name: service, strategy: "queue_only", duration_seconds: seconds },
      done: `${service.startsWith("task:") ? `All tasks named ${name} are` : `${name} is`} held back for ${words}.`,
      topics: ["all"],
    });
  return (
    <Menu
      label="Hold back"
      note={
        service.startsWith("task:")
          ? `Holds back all tasks named ${name}, also those that would succeed.`
          : `Holds back all that is submitted to ${name}; what the broker has already still runs.`
      }
      items={TIMES.map(([seconds, words]) => ({
        label: `for ${words}`,
        run: () => void hold(seconds, words),
      }))}
    />
  );
}

const CLEAR = "/resilience/degradation/clear";

/** The button that takes the mark of a hand away. */
export function LetGo({ service, name }: { service: string; name: string }) {
  if (!mayMark()) return null;
  const body = { service_name: service };
  return (
    <ActionButton
      needs="operate"
      primary
      command={{ method: "POST", path: CLEAR, body }}
      onClick={() => act("POST", CLEAR, { body, done: `${name} goes on.`, topics: ["all"] })}
    >
      <Icon name="play" /> Let go again
    </ActionButton>
  );
}
