// Which types of events a webhook asks for: one by one, or all of a kind, from the API's own list; and others by name.
import { useId } from "preact/hooks";
import { type Form, listOf, TextField, type Values } from "../../parts/form.tsx";
import "./page.css";

export interface EventType {
  name: string;
  selectable: boolean;
}

export interface Wanted extends Values {
  /** Names of the list, and `task.*` for all of a kind. */
  events: readonly string[];
  /** Names that are not on the list, as they were typed. */
  own: string;
}

const allOf = (kind: string): string => `${kind}.*`;

/** Return the names that may be asked for, by the kind of thing that they tell of. */
function byKind(types: readonly EventType[]): Map<string, string[]> {
  const kinds = new Map<string, string[]>();
  for (const { name, selectable } of types) {
    const kind = name.split(".", 1)[0]!;
    if (selectable) kinds.set(kind, [...(kinds.get(kind) ?? []), name]);
  }
  return kinds;
}

/** Return the fields for what a webhook asks for. */
export function wantedOf(events: readonly string[], types: readonly EventType[]): Wanted {
  const listed = new Set([...byKind(types)].flatMap(([kind, names]) => [allOf(kind), ...names]));
  return {
    events: events.filter((name) => listed.has(name)),
    own: events.filter((name) => !listed.has(name)).join("\n"),
  };
}

/** Return what is sent of the fields. */
export const eventsFrom = (wanted: Wanted): string[] => [...wanted.events, ...listOf(wanted.own)];

export function ChooseEvents<V extends Wanted>({
  form,
  types,
}: {
  form: Form<V>;
  types: readonly EventType[];
}) {
  const id = useId();
  const { events } = form.values;
  const flaw = form.flawOf("events");
  const choose = (name: string, isWanted: boolean, implied: readonly string[] = []) => {
    const others = events.filter((one) => one !== name && !implied.includes(one));
    form.set({ events: isWanted ? [...others, name] : others } as unknown as Partial<V>);
  };
  return (
    <fieldset class="webhooks-events" aria-describedby={flaw && id}>
      <legend>Events</legend>
      {flaw && (
        <span class="field-error" id={id}>
          {flaw}
        </span>
      )}
      {[...byKind(types)].map(([kind, names]) => {
        const isWhole = events.includes(allOf(kind));
        return (
          <fieldset key={kind} class="form-checks">
            <legend class="sr">{kind}</legend>
            <label class="form-check">
              <input
                type="checkbox"
                checked={isWhole}
                onChange={(event) => choose(allOf(kind), event.currentTarget.checked, names)}
              />
              <span>
                all of <code>{allOf(kind)}</code>
              </span>
            </label>
            {names.map((name) => (
              <label key={name} class="form-check webhooks-event">
                <input
                  type="checkbox"
                  checked={isWhole || events.includes(name)}
                  disabled={isWhole}
                  onChange={(event) => choose(name, event.currentTarget.checked)}
                />
                <code>{name}</code>
              </label>
            ))}
          </fieldset>
        );
      })}
      <TextField
        form={form}
        name="own"
        label="Others"
        mono
        rows={2}
        placeholder="shop.order.*"
        hint="Events of your own, one a line; with * at its end a name stands for all that begin so."
      />
    </fieldset>
  );
}
