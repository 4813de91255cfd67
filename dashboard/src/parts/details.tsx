// What an event tells beside its name.
import { Fragment } from "preact";
import { detailsOf } from "../logic/details.ts";
import { Lead } from "./lead.tsx";
import { stillClock } from "./time.tsx";

/** One line; the ids of other tasks in it lead there: the message of a retry names its own task. */
export function Details({ of: details, own }: { of: Readonly<Record<string, unknown>>; own?: string }) {
  const shown = detailsOf(details, stillClock()).filter((one) => !one.isTask || one.text !== own);
  return (
    <>
      {shown.map((detail, index) => (
        <Fragment key={detail.word}>
          {index > 0 && " · "}
          {detail.word}{" "}
          {detail.isTask ? (
            <Lead to={`/tasks/${encodeURIComponent(detail.text)}`}>{detail.text}</Lead>
          ) : (
            detail.text
          )}
        </Fragment>
      ))}
    </>
  );
}
