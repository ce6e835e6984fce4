"use strict";
// Tables of class `sortable`: a click on a header sorts by that column, another one turns the order round.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const key = (row, column) => {
    const cell = row.cells[column];
    const number = parseFloat(cell.dataset.value ?? cell.textContent.replace(/[^\d.+-]+/g, " "));
    return cell.classList.contains("number") && !Number.isNaN(number) ? number : cell.textContent.trim();
  };
  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    header.replaceChildren(button);
    button.addEventListener("click", () => {
      const sign = header.getAttribute("aria-sort") === "descending" ? 1 : -1;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", sign < 0 ? "descending" : "ascending");
      body.append(...[...body.rows].sort((a, b) => sign * compare(key(a, column), key(b, column))));
    });
  });
}

// The confusion matrix: rows and columns in the order of the data, or the species with the largest error first.
const matrix = document.getElementById("matrix");
for (const button of document.querySelectorAll("[data-order]")) {
  button.addEventListener("click", () => {
    const by = button.dataset.order === "error" ? (row) => -row.dataset.error : (row) => +row.dataset.label;
    const rows = [...matrix.tBodies[0].rows].sort((a, b) => by(a) - by(b));
    const place = new Map(rows.map((row, i) => [row.dataset.label, i]));
    const rank = (cell) => place.get(cell.dataset.label) ?? rows.length + +cell.dataset.label;
    for (const row of [matrix.tHead.rows[0], ...rows]) {
      row.append(...[...row.cells].slice(1).sort((a, b) => rank(a) - rank(b)));
    }
    matrix.tBodies[0].append(...rows);
    for (const other of document.querySelectorAll("[data-order]")) {
      other.setAttribute("aria-pressed", String(other === button));
    }
  });
}

// One sound at a time.
document.addEventListener("play", (event) => {
  for (const other of document.querySelectorAll("audio")) if (other !== event.target) other.pause();
}, true);
