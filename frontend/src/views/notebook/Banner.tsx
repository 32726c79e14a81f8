import { perform } from "../../actions";
import type { Me } from "../../api";
import { Icon } from "../shared/Icon";
import { Logo } from "../shared/Logo";
import { MeMenu } from "../shared/MeMenu";
import type { NotebookBench } from "./bench";
import { People } from "./People";
import { SaveState } from "./SaveState";
import { TitleBox } from "./TitleBox";

interface Props {
  readonly bench: NotebookBench;
  readonly me: Me;
  readonly title: string;
}

export function Banner({ bench, me, title }: Props) {
  return (
    <div className="banner">
      <a href="/" className="logo" aria-label="Library" data-tip="Library">
        <Logo />
      </a>
      <TitleBox bench={bench} title={title} />
      <SaveState bench={bench} />
      <div className="banner-end">
        <People bench={bench} />
        <button
          type="button"
          className="button button-primary share-button"
          onClick={() => perform("file.share", bench)}
        >
          <Icon name="share" />
          Share
        </button>
        <MeMenu me={me} />
      </div>
    </div>
  );
}
