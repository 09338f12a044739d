// Light or dark theme: the system setting, unless the button was used. Drawings listen to "themechange" on document.
"use strict";
const potentialsTheme = (() => {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  try { chosen = localStorage.getItem("potentials-theme"); } catch { /* pages opened from files may have no storage */ }

  function apply() {
    const theme = chosen || (system.matches ? "dark" : "light");
    root.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) button.textContent = theme === "dark" ? "Light" : "Dark";
    document.dispatchEvent(new CustomEvent("themechange"));
  }

  function toggle() {
    chosen = root.dataset.theme === "dark" ? "light" : "dark";
    try { localStorage.setItem("potentials-theme", chosen); } catch { /* as above */ }
    apply();
  }

  // The value of a color variable, such as var(--ink); other colors are returned unchanged.
  function color(value) {
    const name = /^var\((--[a-z0-9-]+)\)$/.exec(value);
    return name ? getComputedStyle(root).getPropertyValue(name[1]).trim() : value;
  }

  system.addEventListener("change", apply);
  document.getElementById("theme")?.addEventListener("click", toggle);
  apply();
  return { color };
})();
