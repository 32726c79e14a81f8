/** text/latex: text with TeX between its delimiters. A lazy chunk with KaTeX behind it. */
import { renderTex, splitTex, type TexTarget } from "../src/outputs/math";

export async function drawLatex(parent: HTMLElement, text: string): Promise<void> {
  parent.classList.add("output-latex");
  const targets: TexTarget[] = [];
  for (const part of splitTex(text)) {
    if (typeof part === "string") {
      parent.append(part);
      continue;
    }
    const node = document.createElement("span");
    node.className = part.display ? "tex tex-display" : "tex";
    node.textContent = part.tex;
    parent.append(node);
    targets.push({ node, tex: part.tex, display: part.display });
  }
  await renderTex(targets);
}
