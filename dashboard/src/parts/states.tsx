// What stands where nothing can be shown: nothing there, not yet, not any more, not allowed.
import type { ComponentChildren } from "preact";
import { awaySince } from "../api/client.ts";
import { ApiError } from "../api/errors.ts";
import type { Data } from "../api/query.ts";
import { askForSignIn, isLimited, isOut, me } from "../api/session.ts";
import { oldestFailed } from "../logic/asking.ts";
import { time } from "../logic/format.ts";
import { asOf, asSeen, sentenceOf, WORDS } from "../words.ts";
import { Icon, type IconName } from "./icons.tsx";
import { stillClock } from "./time.tsx";

/** Nothing is there, and what to do about it. Without a title where the sentence over the page has said so. */
export function Empty({
  title,
  icon,
  children,
}: {
  title?: string;
  icon?: IconName;
  children?: ComponentChildren;
}) {
  return (
    <div class="empty">
      {icon && <Icon name={icon} />}
      {title && <p class="empty-title">{title}</p>}
      {children}
      <Limits />
    </div>
  );
}

/** That there is none of something, as far as whoever looks can know. */
export const none = (text: string): string => asSeen(text, isLimited.value);

/** What a key with limits is shown at all; nothing for any other. */
export function Limits() {
  if (!isLimited.value || me.value === null) return null;
  return <p class="muted">{WORDS.seesOnly(me.value.queues, me.value.task_names)}</p>;
}

/** Lines in the place of what comes; only where nothing has been shown before. */
export function Loading({ lines = 3 }: { lines?: number }) {
  return (
    <div class="loading" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, index) => (
        <i key={index} />
      ))}
    </div>
  );
}

/** Why a request failed, with the id that finds it in the log. What is read has `onRetry`, what is done has not. */
export function ErrorBox({ error, onRetry }: { error: Error; onRetry?: () => void }) {
  const known = error instanceof ApiError ? error : null;
  return (
    <div class="error-box" role="alert">
      <Icon name="warning" />
      <div>
        <p>
          {known ? (known.isAbsent ? WORDS.absent : sentenceOf(known, onRetry !== undefined)) : error.message}
        </p>
        {known && known.errors.length > 0 && (
          <ul>
            {known.errors.map((field) => (
              <li key={field.field}>
                <code>{field.field}</code> {field.message}
              </li>
            ))}
          </ul>
        )}
        {known?.requestId && (
          <p class="muted">
            {known.code} · request <code class="id">{known.requestId}</code>
          </p>
        )}
      </div>
      {onRetry && (
        <button type="button" class="button" onClick={known?.status === 401 ? askForSignIn : onRetry}>
          {known?.status === 401 ? WORDS.signIn : WORDS.retry}
        </button>
      )}
    </div>
  );
}

/** Draw what was read: lines while it comes, the error where there is nothing else, else the value with what is amiss
 * about it. */
export function Shown<T>({
  data,
  children,
  lines,
  quietAbsence,
}: {
  data: Data<T>;
  children: (value: T) => ComponentChildren;
  lines?: number;
  /** Draw nothing where this version of the API has no such endpoint. */
  quietAbsence?: boolean;
}) {
  if (data.value === undefined) {
    if (!data.error) return <Loading lines={lines} />;
    if (quietAbsence && data.error.isAbsent) return null;
    return <ErrorBox error={data.error} onRetry={data.refresh} />;
  }
  return (
    <div class="shown" data-stale={data.age !== null || data.error ? "" : undefined}>
      {children(data.value)}
      <AsOf reads={[data]} />
    </div>
  );
}

/** Of when these are, where one could not be asked again. While nobody answers at all, or nobody is signed in, the banner
 * says it of all. */
export function AsOf({ reads }: { reads: readonly Data<unknown>[] }) {
  const old = awaySince.value === null && !isOut.value ? oldestFailed(reads) : null;
  if (!old?.error) return null;
  return <p class="muted as-of">{asOf(time(new Date(old.at).toISOString(), stillClock()), old.error)}</p>;
}
