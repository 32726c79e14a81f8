/** The looks of widgets: Jupyter's own. Their variables are in `frame.css`, so that they follow the theme. */
import "@jupyter-widgets/base/css/index.css";
import "@lumino/widgets/style/widget.css";
import "@jupyter-widgets/controls/css/widgets-base.css";
import "@fortawesome/fontawesome-free/css/fontawesome.min.css";
import "@fortawesome/fontawesome-free/css/solid.min.css";
import "@fortawesome/fontawesome-free/css/v4-shims.min.css";
import "./widgets.css";
