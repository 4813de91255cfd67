// The way from a page of rows, newest first, to the one before it.
import { setParams } from "../router.ts";

/** Leads to the rows behind this cursor of the API; nothing is drawn where there are none. */
export function Older({ cursor }: { cursor: string | null }) {
  if (!cursor) return null;
  return (
    <p class="list-more">
      <button type="button" class="link" onClick={() => setParams({ cursor })}>
        Older ones
      </button>
    </p>
  );
}
