// What became of the messages.
import type { Data } from "../../api/query.ts";
import type { Page as Rows } from "../../api/types.ts";
import { type Column, Grid } from "../../parts/grid.tsx";
import { Section } from "../../parts/page.tsx";
import { Shown } from "../../parts/states.tsx";
import { Status } from "../../parts/status.tsx";
import { Time } from "../../parts/time.tsx";
import { type Channel, MESSAGE_LOOKS, type Message, outcomeOf } from "./types.ts";
import { WORDS } from "./words.ts";

export function Messages({
  messages,
  channels,
}: {
  messages: Data<Rows<Message>>;
  channels: readonly Channel[];
}) {
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
