/** KaTeX with its style sheet and fonts: one lazy chunk. */
import "katex/dist/katex.min.css";

export { default } from "katex";
