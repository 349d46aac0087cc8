// Loaded before anything is painted, so that a theme that was chosen shows from the first frame on.
{
  const chosen = localStorage.getItem("augury-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
