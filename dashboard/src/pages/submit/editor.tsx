// A field for JSON: plain text with numbers of lines, read while it is written.
import { useId, useRef } from "preact/hooks";
import type { Parsed } from "../../logic/draft.ts";
import { printable } from "../../logic/printable.ts";
import { Icon } from "../../parts/icons.tsx";

const MOST_LINES = 28;

export function JsonField({
  label,
  text,
  onInput,
  parsed,
  error,
  note,
  least = 3,
}: {
  label: string;
  text: string;
  onInput: (text: string) => void;
  parsed: Parsed;
  /** What the API said of it. */
  error?: string;
  note?: string;
  least?: number;
}) {
  const id = useId();
  const gutter = useRef<HTMLPreElement>(null);
  const lines = text.split("\n").length;
  const rows = Math.max(least, Math.min(MOST_LINES, lines));
  const problem = parsed.problem
    ? `${parsed.line ? `Line ${parsed.line}, column ${parsed.column}: ` : ""}${parsed.problem}`
    : error;
  return (
    <div class="submit-json">
      <label for={id}>{label}</label>
      <div class="submit-editor" data-invalid={problem ? "" : undefined}>
        <pre ref={gutter} aria-hidden="true" style={{ height: `${rows * 20 + 16}px` }}>
          {Array.from({ length: lines }, (_, index) => (
            <span key={index} data-here={parsed.line === index + 1 ? "" : undefined}>
              {index + 1}
              {"\n"}
            </span>
          ))}
        </pre>
        <textarea
          id={id}
          class="mono"
          wrap="off"
          rows={rows}
          spellcheck={false}
          autoCapitalize="off"
          autoComplete="off"
          value={printable(text)}
          aria-invalid={problem ? true : undefined}
          aria-describedby={`${id}-said`}
          onInput={(event) => onInput(event.currentTarget.value)}
          onScroll={(event) => {
            if (gutter.current) gutter.current.scrollTop = event.currentTarget.scrollTop;
          }}
        />
      </div>
      <p id={`${id}-said`} class={problem ? "field-error" : "muted"}>
        {problem ? (
          <>
            <Icon name="warning" /> {problem}
          </>
        ) : (
          (note ?? "")
        )}
      </p>
    </div>
  );
}
