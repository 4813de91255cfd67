// Before the first paint: how this person wants pages to look. Kept in this browser, and nowhere else.
(() => {
  const root = document.documentElement;
  const kept = (name) => {
    try {
      return localStorage.getItem(`celeriac.${name}`);
    } catch {
      return null;
    }
  };
  const theme = kept("theme");
  const isDark = theme === "dark" || (theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  root.dataset.theme = isDark ? "dark" : "light";
  if (kept("density") === "compact") root.dataset.density = "compact";
  if (kept("rail") === "folded") root.dataset.rail = "folded";
})();
