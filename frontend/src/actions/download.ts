/** Hands a text to the browser as a file. */

export function saveAs(name: string, text: string, type: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser has taken the bytes by the end of this turn.
  setTimeout(() => URL.revokeObjectURL(url));
}
