(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const dark = () =>
    root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const show = () => {
    button.textContent = dark() ? "Light" : "Dark";
    button.setAttribute("aria-label", dark() ? "Use light colours" : "Use dark colours");
  };
  try {
    const kept = localStorage.getItem("homing-theme");
    if (kept) root.dataset.theme = kept;
  } catch { /* a page opened from a file may have no storage */ }
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    try { localStorage.setItem("homing-theme", root.dataset.theme); } catch { /* as above */ }
    show();
  });
  button.hidden = false;
  show();
})();
