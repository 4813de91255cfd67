// Sending a form: one key for each opened form, so that two presses make one task; errors go to their fields.
import { useState } from "preact/hooks";
import { call, newKey } from "../../api/client.ts";
import { ApiError } from "../../api/errors.ts";
import { invalidate } from "../../api/query.ts";

export interface Sending {
  isBusy: boolean;
  error: Error | null;
  /** What the API found wrong with a field, or with something within it. */
  errorOf: (field: string) => string | undefined;
  send: <T>(path: string, body: unknown) => Promise<T | null>;
  /** Errors that belong to none of these fields. */
  rest: (fields: readonly string[]) => Error | null;
}

export function useSending(): Sending {
  const [key, setKey] = useState(newKey);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const fields = error instanceof ApiError ? error.errors : [];
  const isOf = (name: string, field: string) => name === field || name.startsWith(`${field}.`);
  const send = async <T>(path: string, body: unknown): Promise<T | null> => {
    setBusy(true);
    setError(null);
    try {
      const answer = await call<T>("POST", path, { body, headers: { "Idempotency-Key": key } });
      setKey(newKey());
      for (const topic of ["tasks", "workflows"]) invalidate(topic);
      return answer;
    } catch (reason) {
      setError(reason as Error);
      // The form was changed after it had been taken: from here on it is another task.
      if (reason instanceof ApiError && reason.code === "IDEMPOTENCY_CONFLICT") setKey(newKey());
      return null;
    } finally {
      setBusy(false);
    }
  };
  return {
    isBusy,
    error,
    send,
    errorOf: (field) => {
      const found = fields.find((one) => isOf(one.field, field));
      if (!found) return undefined;
      const inside = found.field.slice(field.length + 1);
      return inside ? `${inside}: ${found.message}` : found.message;
    },
    rest: (known) => {
      if (!(error instanceof ApiError) || fields.length === 0) return error;
      return fields.every((one) => known.some((field) => isOf(one.field, field))) ? null : error;
    },
  };
}
