// Doing something: a button that is there only for who may, a question where it matters, and what became of it.
import { type Signal, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { awaySince, call, type RequestOptions } from "../api/client.ts";
import { ApiError } from "../api/errors.ts";
import { renew } from "../api/query.ts";
import { may, type Scope, signOut } from "../api/session.ts";
import { sentenceOf } from "../words.ts";
import { asCurl, type Command, copy } from "./copy.tsx";
import { Dialog } from "./dialog.tsx";
import { ErrorBox } from "./states.tsx";
import { say } from "./toasts.tsx";

/** Do it, say what became of it, and mark what it concerns as stale. Returns the answer, or null where it failed. */
export async function act<T>(
  method: string,
  path: string,
  options: RequestOptions & { done?: string | ((answer: T) => string); topics?: readonly string[] } = {},
): Promise<T | null> {
  try {
    const answer = await call<T>(method, path, options);
    const done = typeof options.done === "function" ? options.done(answer) : options.done;
    if (done) say(done, { tone: "completed" });
    for (const topic of options.topics ?? ["all"]) renew(topic);
    return answer;
  } catch (error) {
    say(whyNot(error), { tone: "failed" });
    if (error instanceof ApiError && error.status === 409) renew("all");
    return null;
  }
}

const whyNot = (error: unknown): string => (error instanceof ApiError ? sentenceOf(error) : String(error));

/** Sign out, and say it where the session goes on. */
export const leave = (): Promise<void> => signOut().catch((error) => say(whyNot(error), { tone: "failed" }));

/** A button for what needs a scope; not drawn for who has it not, off while nobody answers. */
export function ActionButton({
  needs,
  children,
  onClick,
  command,
  tone,
  keyName,
  disabled,
  primary,
}: {
  needs: Scope;
  children: ComponentChildren;
  onClick: () => unknown;
  /** The same request as a command: Alt and a click copy it. */
  command?: Command;
  tone?: "failed";
  keyName?: string;
  disabled?: boolean;
  primary?: boolean;
}) {
  const [isBusy, setBusy] = useState(false);
  if (!may(needs)) return null;
  return (
    <button
      type="button"
      class={primary ? "button primary" : "button"}
      data-tone={tone}
      disabled={disabled || isBusy || awaySince.value !== null}
      aria-busy={isBusy}
      title={command ? "Alt and a click copy it as curl" : undefined}
      onClick={async (event) => {
        if (event.altKey && command) {
          void copy(asCurl(command), "Copied as curl");
          return;
        }
        setBusy(true);
        try {
          await onClick();
        } finally {
          setBusy(false);
        }
      }}
    >
      {children}
      {keyName && <kbd>{keyName}</kbd>}
    </button>
  );
}

/** A question before something that cannot be taken back. With `count` from 100 on, the number has to be typed. */
export function Confirm({
  title,
  children,
  verb,
  tone = "failed",
  onConfirm,
  onClose,
  count: number,
  command,
  isHarmless,
}: {
  title: string;
  children?: ComponentChildren;
  /** What the button says: `Cancel 3 tasks`. */
  verb: string;
  tone?: "failed" | "plain";
  onConfirm: () => Promise<unknown>;
  onClose: () => void;
  count?: number;
  command?: Command;
  /** The button that acts has the focus. */
  isHarmless?: boolean;
}) {
  const typed = useSignal("");
  const error: Signal<Error | null> = useSignal(null);
  const isBusy = useSignal(false);
  const mustType = number !== undefined && number >= 100;
  const run = async () => {
    isBusy.value = true;
    try {
      await onConfirm();
      onClose();
    } catch (reason) {
      error.value = reason as Error;
    } finally {
      isBusy.value = false;
    }
  };
  return (
    <Dialog
      title={title}
      onClose={onClose}
      role="alertdialog"
      footer={
        <>
          {command && (
            <button
              type="button"
              class="button quiet-button"
              onClick={() => copy(asCurl(command), "Copied as curl")}
            >
              Copy as curl
            </button>
          )}
          <span class="spacer" />
          <button type="button" class="button" onClick={onClose}>
            Back
          </button>
          <button
            type="button"
            class="button primary"
            data-tone={tone === "failed" ? "failed" : undefined}
            data-first={isHarmless || undefined}
            disabled={isBusy.value || (mustType && typed.value !== String(number))}
            onClick={run}
          >
            {verb}
          </button>
        </>
      }
    >
      {children}
      {mustType && (
        <label class="labelled">
          Type {number} to go on
          <input
            class="field num"
            inputMode="numeric"
            value={typed.value}
            onInput={(event) => (typed.value = event.currentTarget.value)}
          />
        </label>
      )}
      {error.value && <ErrorBox error={error.value} />}
    </Dialog>
  );
}

/** Do the same to many, some at a time; says how many succeeded. Returns the failures by id. */
export async function actOnEach(
  ids: readonly string[],
  one: (id: string) => Promise<unknown>,
  options: { at?: number; onProgress?: (done: number) => void } = {},
): Promise<Map<string, Error>> {
  const failures = new Map<string, Error>();
  const waiting = [...ids];
  let done = 0;
  const work = async () => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      try {
        await one(id);
      } catch (error) {
        failures.set(id, error as Error);
      }
      done += 1;
      options.onProgress?.(done);
    }
  };
  await Promise.all(Array.from({ length: options.at ?? 8 }, work));
  renew("all");
  return failures;
}
