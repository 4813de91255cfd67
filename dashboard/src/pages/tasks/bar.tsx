// The filter bar: chips of what is chosen, and a field that suggests.
import { useRef, useState } from "preact/hooks";
import { useData } from "../../api/query.ts";
import { useKeys } from "../../keys.ts";
import { chipOf, FILTERS, parse, tokensOf, withoutToken, withToken } from "../../logic/filters.ts";
import { lookOf } from "../../logic/status.ts";
import { useKeyNames } from "../../parts/by.tsx";
import { Combobox, type Option } from "../../parts/combobox.tsx";
import { Icon } from "../../parts/icons.tsx";
import { go, params } from "../../router.ts";
import { WORDS } from "./words.ts";

const show = (next: URLSearchParams, replace = false) => {
  next.delete("peek");
  go("/tasks", { query: next, replace });
};

export function FilterBar({ onMore }: { onMore: () => void }) {
  const [text, setText] = useState(params.peek().get("search") ?? "");
  const field = useRef<HTMLInputElement>(null);
  useKeys({ "/": { does: "filter", run: () => field.current?.focus() } });
  const tokens = tokensOf(params.value);
  const keys = useKeyNames(tokens.some((token) => token.param === "submitted_by"));
  const chips = tokens.map((token) => ({ token, ...chipOf(token, keys) }));
  const options = useOptions(text);
  const submit = (typed: string) => {
    const { tokens: fresh, words } = parse(typed);
    let next = new URLSearchParams(params.peek());
    for (const token of fresh) next = withToken(next, token);
    if (words) next.set("search", words);
    else next.delete("search");
    setText(words);
    show(next);
  };
  const choose = (option: Option) => {
    const before = text.replace(/\S*$/, "");
    if (option.value.endsWith(":")) setText(before + option.value);
    else submit(before + option.value);
  };
  return (
    <div class="tasks-bar">
      <Icon name="filter" />
      {chips.map(({ token, word, value }) => (
        <button
          key={`${token.param}=${token.value}`}
          type="button"
          class="chip"
          aria-label={`Remove ${word} ${value}`}
          onClick={() => show(withoutToken(params.peek(), token))}
        >
          <span class="muted">{word}</span> <span class="clip">{value}</span>
          <Icon name="close" />
        </button>
      ))}
      <Combobox
        label="Filter tasks"
        placeholder={tokens.length > 0 ? "" : WORDS.bar}
        value={text}
        onInput={setText}
        onChoose={choose}
        onSubmit={submit}
        onBackspace={() => {
          const last = tokens.at(-1);
          if (last) show(withoutToken(params.peek(), last));
        }}
        options={options}
        inputRef={field}
      />
      {(tokens.length > 0 || params.value.get("search")) && (
        <button
          type="button"
          class="icon-button"
          aria-label={WORDS.clear}
          title={WORDS.clear}
          onClick={() => {
            setText("");
            go("/tasks");
          }}
        >
          <Icon name="close" />
        </button>
      )}
      <button type="button" class="button tasks-more" aria-haspopup="dialog" onClick={onMore}>
        {WORDS.filters}
      </button>
    </div>
  );
}

/** What the last word that is being typed may become. */
function useOptions(text: string): Option[] {
  const piece = text.match(/\S*$/)?.[0] ?? "";
  const colon = piece.indexOf(":");
  const filter =
    colon > 0 ? FILTERS.find((one) => one.word === piece.slice(0, colon).toLowerCase()) : undefined;
  const prefix = filter ? piece.slice(colon + 1).replace(/^"/, "") : piece;
  const asked = filter?.suggest ?? (piece.length >= 2 && !filter ? "task_name" : undefined);
  const found = useData<{ data: string[] }>(asked ? "/search/suggestions" : null, {
    query: { field: asked, prefix, limit: 10 },
  });
  const quote = (value: string) => (/\s/.test(value) ? `"${value}"` : value);
  if (filter) {
    const values = filter.values ?? found.value?.data ?? [];
    return values
      .map((value) => ({ value, label: filter.param === "phase" ? lookOf(value).word : value }))
      .filter(
        (one) => filter.suggest || `${one.value} ${one.label}`.toLowerCase().includes(prefix.toLowerCase()),
      )
      .map(({ value, label }) => ({ value: `${filter.word}:${quote(value)}`, label, group: filter.hint }));
  }
  const words = FILTERS.filter((one) => one.word.startsWith(piece.toLowerCase())).map((one) => ({
    value: `${one.word}:`,
    note: one.hint,
    group: "Filters",
  }));
  const names = asked
    ? (found.value?.data ?? []).map((name) => ({ value: `name:${quote(name)}`, label: name, group: "Names" }))
    : [];
  return piece === "" ? words.slice(0, 8) : [...words, ...names];
}
