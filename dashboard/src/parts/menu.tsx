// A button that opens a list of actions, after the menu button pattern of ARIA.
import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Icon } from "./icons.tsx";

export interface MenuItem {
  label: string;
  run?: () => void;
  href?: string;
  key?: string;
  isDangerous?: boolean;
  /** For what is on or off: it stays open, as one more may follow. */
  isChosen?: boolean;
}

export function Menu({
  label,
  items,
  children,
  head,
  look = "icon-button",
  align = "end",
}: {
  /** What the button says, or its name where it shows only an icon. */
  label: string;
  items: readonly (MenuItem | null | false)[];
  children?: ComponentChildren;
  /** What is told above the actions. */
  head?: ComponentChildren;
  /** The class of a button that shows more than its label. */
  look?: string;
  align?: "start" | "end";
}) {
  const [isOpen, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  const shown = items.filter((item): item is MenuItem => Boolean(item));
  useLayoutEffect(() => {
    if (!isOpen) return undefined;
    root.current?.querySelector<HTMLElement>("[role^=menuitem]")?.focus();
    const leave = (event: Event) => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", leave);
    document.addEventListener("focusin", leave);
    return () => {
      document.removeEventListener("pointerdown", leave);
      document.removeEventListener("focusin", leave);
    };
  }, [isOpen]);
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const all = [...(root.current?.querySelectorAll<HTMLElement>("[role^=menuitem]") ?? [])];
    const at = all.indexOf(document.activeElement as HTMLElement);
    const step = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (!isOpen) {
      if (event.key === "ArrowDown") {
        event.preventDefault();
        setOpen(true);
      }
      return;
    }
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      close();
    } else if (step !== undefined) {
      event.preventDefault();
      all[(step + all.length) % all.length]?.focus();
    }
  };
  return (
    <div class="menu" ref={root} onKeyDown={onKeyDown}>
      <button
        ref={button}
        type="button"
        class={children ? look : "button"}
        aria-label={children ? label : undefined}
        title={children ? label : undefined}
        aria-haspopup={shown.length > 0 ? "menu" : undefined}
        aria-expanded={isOpen}
        aria-controls={isOpen && shown.length > 0 ? id : undefined}
        onClick={() => setOpen(!isOpen)}
      >
        {children ?? (
          <>
            {label} <Icon name="down" />
          </>
        )}
      </button>
      {isOpen && (
        <div class="menu-list" data-align={align}>
          {head && <div class="menu-head">{head}</div>}
          {shown.length > 0 && (
            <div role="menu" id={id} aria-label={label}>
              {shown.map((item) => {
                const inside = (
                  <>
                    <span>{item.label}</span>
                    {item.isChosen && <Icon name="check" />}
                    {item.key && <kbd>{item.key}</kbd>}
                  </>
                );
                return item.href ? (
                  <a
                    key={item.label}
                    role="menuitem"
                    tabIndex={-1}
                    href={item.href}
                    onClick={() => setOpen(false)}
                  >
                    {inside}
                  </a>
                ) : (
                  <button
                    key={item.label}
                    type="button"
                    role={item.isChosen === undefined ? "menuitem" : "menuitemcheckbox"}
                    aria-checked={item.isChosen}
                    tabIndex={-1}
                    data-tone={item.isDangerous ? "failed" : undefined}
                    onClick={() => {
                      if (item.isChosen === undefined) close();
                      item.run?.();
                    }}
                  >
                    {inside}
                  </button>
                );
              })}
            </div>
          )}
        </div>
      )}
    </div>
  );
}
