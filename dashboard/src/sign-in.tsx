// Signing in, over the page: what was typed behind it is kept.
import { useSignal } from "@preact/signals";
import { apiUrl } from "./api/client.ts";
import { ApiError } from "./api/errors.ts";
import { useData } from "./api/query.ts";
import { giveUp, isSignInAsked, me, signIn } from "./api/session.ts";
import { Dialog } from "./parts/dialog.tsx";
import { Mark } from "./parts/mark.tsx";

export function SignIn() {
  const key = useSignal("");
  const error = useSignal<string | null>(null);
  const isBusy = useSignal(false);
  // Until it is known, and where it cannot be, a key is asked for: it is the way that nearly everybody goes.
  const ways = useData<{ api_key: boolean; issuer: boolean }>("/session/ways", { every: 5_000 }).value;
  const takesKey = ways === undefined || ways.api_key || !ways.issuer;
  const submit = async (event: Event) => {
    event.preventDefault();
    isBusy.value = true;
    error.value = null;
    try {
      await signIn(key.value.trim());
    } catch (reason) {
      error.value = reason instanceof ApiError ? reason.message : String(reason);
    } finally {
      isBusy.value = false;
    }
  };
  const elsewhere = async () => {
    const url = apiUrl("/session/oidc/login", { next: location.pathname + location.search });
    // Looked at first: where no issuer is configured, the answer is a sentence and no way there.
    const answer = await fetch(url, { redirect: "manual" }).catch(() => null);
    if (answer?.type === "opaqueredirect") location.assign(url);
    else error.value = (await answer?.json().catch(() => null))?.detail ?? "Celeriac does not answer.";
  };
  const form = (
    <form onSubmit={submit} class="sign-in-form">
      {takesKey ? (
        <>
          <p>
            Sign in with an API key. It is exchanged for a session of this browser and not kept by the page.
          </p>
          <label class="labelled">
            API key
            <input
              class="field mono"
              type="password"
              name="key"
              autoComplete="current-password"
              required
              aria-invalid={error.value !== null}
              aria-describedby={error.value ? "sign-in-error" : undefined}
              autoFocus
              value={key.value}
              onInput={(event) => (key.value = event.currentTarget.value)}
            />
          </label>
        </>
      ) : (
        <p>You sign in where your organisation signs its people in, and come back to this page.</p>
      )}
      {error.value && (
        <p id="sign-in-error" class="field-error" role="alert">
          {error.value}
        </p>
      )}
      <div class="actions">
        {takesKey && (
          <button type="submit" class="button primary" disabled={isBusy.value || key.value.trim() === ""}>
            Sign in
          </button>
        )}
        {ways?.issuer && (
          <button
            type="button"
            class={takesKey ? "button" : "button primary"}
            disabled={isBusy.value}
            onClick={elsewhere}
          >
            Sign in at your organisation
          </button>
        )}
      </div>
      {takesKey && (
        <p class="muted">
          An administrator makes keys, on the page API keys or with <code>celeriac keys create</code>.
        </p>
      )}
    </form>
  );
  if (me.value === null)
    return (
      <main class="sign-in" id="main">
        <h1 class="sign-in-title">
          <Mark /> Celeriac
        </h1>
        {form}
      </main>
    );
  const close = () => {
    isSignInAsked.value = false;
    giveUp();
  };
  return (
    <Dialog title="Your session is over" onClose={close}>
      {form}
    </Dialog>
  );
}
