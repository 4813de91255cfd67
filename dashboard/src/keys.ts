// Keys. Whoever is drawn last is asked first; letters that are typed into a field are text.
import { signal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { letters } from "./settings.ts";

export interface Binding {
  /** What it does, as the list of keys says it. */
  does: string;
  run: (event: KeyboardEvent) => void;
}

export type Bindings = Record<string, Binding>;

const layers: { current: Bindings }[] = [];
/** Counts changes, so that the list of keys is drawn anew. */
export const version = signal(0);
let prefix = "";
let prefixTimer: number | undefined;

/** Bind keys for as long as the component is there: `"c"`, `"g t"`, `"mod+k"`, `"shift+ArrowDown"`. */
export function useKeys(bindings: Bindings): void {
  const layer = useRef(bindings);
  layer.current = bindings;
  useLayoutEffect(() => {
    layers.push(layer);
    version.value += 1;
    return () => {
      layers.splice(layers.indexOf(layer), 1);
      version.value += 1;
    };
  }, []);
}

/** Return every key that holds now with what it does. */
export function allKeys(): [string, string][] {
  const found = new Map<string, string>();
  for (const layer of [...layers].reverse())
    for (const [key, binding] of Object.entries(layer.current))
      if (!found.has(key)) found.set(key, binding.does);
  return [...found];
}

export function listenToKeys(): void {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    const key = nameOf(event);
    const isPlain = key.length === 1 && !event.altKey;
    if (isPlain && (isTyping(event.target) || letters.peek() === "off")) return;
    if (isTyping(event.target) && !key.startsWith("mod+") && key !== "Escape") return;
    // What a dialog covers is not acted on.
    const isCovered = document.querySelector("dialog[open]") !== null;
    const whole = prefix ? `${prefix} ${key}` : key;
    prefix = "";
    clearTimeout(prefixTimer);
    const binding = isCovered ? undefined : find(whole);
    if (binding) {
      event.preventDefault();
      binding.run(event);
    } else if (key === "g" && !isCovered) {
      prefix = "g";
      prefixTimer = window.setTimeout(() => {
        prefix = "";
      }, 1_200);
    }
  });
}

function find(key: string): Binding | undefined {
  for (let index = layers.length - 1; index >= 0; index -= 1) {
    const binding = layers[index]!.current[key];
    if (binding) return binding;
  }
  return undefined;
}

function nameOf(event: KeyboardEvent): string {
  if (event.metaKey || event.ctrlKey) return `mod+${event.key.toLowerCase()}`;
  if (event.shiftKey && event.key.length > 1) return `shift+${event.key}`;
  return event.key;
}

function isTyping(target: EventTarget | null): boolean {
  const element = target as HTMLElement | null;
  if (!element?.tagName) return false;
  if (element.isContentEditable || element.tagName === "TEXTAREA" || element.tagName === "SELECT")
    return true;
  return (
    element.tagName === "INPUT" &&
    !["checkbox", "radio", "range", "button"].includes((element as HTMLInputElement).type)
  );
}
