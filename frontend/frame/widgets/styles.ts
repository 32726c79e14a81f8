/** The looks of widgets: Jupyter's own, in our colours. */
import "@jupyter-widgets/base/css/index.css";
import "@jupyter-widgets/controls/css/widgets.built.css";
import "@fortawesome/fontawesome-free/css/fontawesome.min.css";
import "@fortawesome/fontawesome-free/css/solid.min.css";
import "@fortawesome/fontawesome-free/css/v4-shims.min.css";
import "./widgets.css";
