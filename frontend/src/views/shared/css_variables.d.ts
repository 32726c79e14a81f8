/** React's style takes our custom properties too. */

import "react";

declare module "react" {
  interface CSSProperties {
    "--person"?: string;
    "--part"?: number;
  }
}
