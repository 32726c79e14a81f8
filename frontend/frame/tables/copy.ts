/** To the clipboard from a frame, which has only the old way: a copy event of its own. */

/** As text, and with `rows` as a table too: it lands in a spreadsheet as one. */
export function copyTable(text: string, rows: readonly (readonly string[])[] | null): boolean {
  let isTaken = false;
  const put = (event: ClipboardEvent): void => {
    event.preventDefault();
    event.stopImmediatePropagation();
    event.clipboardData?.setData("text/plain", text);
    if (rows !== null) event.clipboardData?.setData("text/html", htmlOf(rows));
    isTaken = event.clipboardData !== null;
  };
  document.addEventListener("copy", put, { capture: true, once: true });
  const done = document.execCommand("copy");
  document.removeEventListener("copy", put, { capture: true });
  return done && isTaken;
}

function htmlOf(rows: readonly (readonly string[])[]): string {
  const table = document.createElement("table");
  for (const row of rows) {
    const line = table.insertRow();
    for (const cell of row) line.insertCell().textContent = cell;
  }
  return table.outerHTML;
}
