// What an event tells beside its name.
import { Fragment } from "preact";
import { detailsOf } from "../logic/details.ts";
import { Lead } from "./lead.tsx";
import { stillClock } from "./time.tsx";

/** One line; the ids of tasks in it lead there. */
export function Details({ of: details }: { of: Readonly<Record<string, unknown>> }) {
  return (
    <>
      {detailsOf(details, stillClock()).map((detail, index) => (
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
