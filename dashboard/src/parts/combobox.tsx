// A field with suggestions, after the editable combobox pattern of ARIA: the focus stays in the field.
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";

export interface Option {
  value: string;
  label?: string;
  /** What stands at the end of the line, e.g. how many there are. */
  note?: string;
  group?: string;
}

export function Combobox({
  label,
  value,
  onInput,
  onChoose,
  onSubmit,
  options,
  placeholder,
  autoFocus,
  inputRef,
  onBackspace,
  always,
}: {
  label: string;
  value: string;
  onInput: (text: string) => void;
  onChoose: (option: Option) => void;
  /** Enter while no option is marked. */
  onSubmit?: (text: string) => void;
  /** Backspace in the empty field. */
  onBackspace?: () => void;
  options: readonly Option[];
  placeholder?: string;
  autoFocus?: boolean;
  inputRef?: { current: HTMLInputElement | null };
  /** The list is always there, and Esc belongs to what is around. */
  always?: boolean;
}) {
  const id = useId();
  const [isOpen, setOpen] = useState(false);
  const [marked, setMarked] = useState(-1);
  const own = useRef<HTMLInputElement>(null);
  const field = inputRef ?? own;
  useEffect(() => setMarked(-1), [value]);
  useLayoutEffect(() => {
    if (!autoFocus) return;
    field.current?.focus();
    // Nobody asked for suggestions yet, and they would cover what is below.
    setOpen(false);
  }, [autoFocus]);
  const isShown = (isOpen || Boolean(always)) && options.length > 0;
  const choose = (option: Option) => {
    onChoose(option);
    setMarked(-1);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && options.length > 0) {
      event.preventDefault();
      setOpen(true);
      setMarked((marked + step + options.length + (marked < 0 && step < 0 ? 1 : 0)) % options.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      const option = isShown ? options[marked] : undefined;
      if (option) choose(option);
      else {
        setOpen(false);
        onSubmit?.(value);
      }
    } else if (event.key === "Escape" && always) {
      return;
    } else if (event.key === "Escape" && isShown) {
      event.preventDefault();
      event.stopPropagation();
      setOpen(false);
    } else if (event.key === "Escape") {
      field.current?.blur();
    } else if (event.key === "Tab" && isShown && marked >= 0) {
      choose(options[marked]!);
    } else if (event.key === "Backspace" && value === "") {
      onBackspace?.();
    }
  };
  let group: string | undefined;
  return (
    <div class="combobox">
      <input
        ref={field}
        type="text"
        role="combobox"
        aria-label={label}
        aria-expanded={isShown}
        aria-controls={isShown ? `${id}-list` : undefined}
        aria-activedescendant={isShown && marked >= 0 ? `${id}-${marked}` : undefined}
        aria-autocomplete="list"
        autoComplete="off"
        autoCapitalize="off"
        spellcheck={false}
        value={value}
        placeholder={placeholder}
        onInput={(event) => {
          setOpen(true);
          onInput(event.currentTarget.value);
        }}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onKeyDown={onKeyDown}
      />
      {isShown && (
        <div class="options" role="listbox" id={`${id}-list`} aria-label={label}>
          {options.map((option, index) => {
            const heading = option.group !== group ? option.group : undefined;
            group = option.group;
            return (
              <div key={`${option.group ?? ""}${option.value}`} role="presentation">
                {heading && (
                  <div class="options-group" role="presentation">
                    {heading}
                  </div>
                )}
                <div
                  role="option"
                  id={`${id}-${index}`}
                  class="option"
                  aria-selected={index === marked}
                  onMouseDown={(event) => event.preventDefault()}
                  onClick={() => choose(option)}
                  onMouseEnter={() => setMarked(index)}
                >
                  <span class="clip">{option.label ?? option.value}</span>
                  {option.note && <span class="muted num">{option.note}</span>}
                </div>
              </div>
            );
          })}
        </div>
      )}
    </div>
  );
}
