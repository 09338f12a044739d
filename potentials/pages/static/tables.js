// A text field above a table filters its rows.
"use strict";
for (const field of document.querySelectorAll("figure.table > .filter")) {
  const rows = [...field.parentElement.querySelectorAll("tbody > tr")];
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
}
