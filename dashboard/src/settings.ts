// How this person wants the page: kept in this browser. Nothing of it is in the address, and nothing of it is a secret.
import { effect, signal } from "@preact/signals";

function kept<T extends string>(name: string, usual: T): T {
  try {
    return (localStorage.getItem(`celeriac.${name}`) as T | null) ?? usual;
  } catch {
    return usual;
  }
}

function setting<T extends string>(name: string, usual: T, apply?: (value: T) => void) {
  const value = signal<T>(kept(name, usual));
  effect(() => {
    apply?.(value.value);
    try {
      if (value.value === usual) localStorage.removeItem(`celeriac.${name}`);
      else localStorage.setItem(`celeriac.${name}`, value.value);
    } catch {
      // A browser that keeps nothing: it holds until the page is left.
    }
  });
  return value;
}

const data = document.documentElement.dataset;

const dark = matchMedia("(prefers-color-scheme: dark)");

export const theme = setting<"system" | "light" | "dark">("theme", "system", (value) => {
  data.theme = value === "system" ? (dark.matches ? "dark" : "light") : value;
});
dark.addEventListener("change", () => {
  if (theme.value === "system") data.theme = dark.matches ? "dark" : "light";
});
export const density = setting<"comfortable" | "compact">("density", "comfortable", (value) => {
  if (value === "compact") data.density = value;
  else delete data.density;
});
export const rail = setting<"open" | "folded">("rail", "open", (value) => {
  if (value === "folded") data.rail = value;
  else delete data.rail;
});
export const zone = setting<"local" | "utc">("zone", "local");
/** Keys of one letter: some speech and switch tools send them by accident. */
export const letters = setting<"on" | "off">("letters", "on");
/** When this person last looked, for what happened meanwhile. */
export const lastSeen = setting<string>("seen", "");
