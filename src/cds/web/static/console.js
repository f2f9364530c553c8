// Conveniences of the playground; everything works without them.
"use strict";
for (const area of document.querySelectorAll("textarea[data-drop]")) {
  const take = (file) => file && file.text().then((text) => { area.value = text; });
  area.addEventListener("dragover", (event) => { event.preventDefault(); area.classList.add("over"); });
  area.addEventListener("dragleave", () => area.classList.remove("over"));
  area.addEventListener("drop", (event) => {
    area.classList.remove("over");
    if (event.dataTransfer.files.length) { event.preventDefault(); take(event.dataTransfer.files[0]); }
  });
  const picker = document.getElementById(area.dataset.drop);
  picker.closest("[hidden]").hidden = false;
  picker.addEventListener("change", () => take(picker.files[0]));
}
for (const button of document.querySelectorAll("button[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", () => {
    navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent)
      .then(() => { button.textContent = "Copied"; });
  });
}
