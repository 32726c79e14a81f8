/** Font Awesome, with the names it had before, for outputs that draw buttons with it. */
import "@fortawesome/fontawesome-free/css/all.min.css";
import "@fortawesome/fontawesome-free/css/v4-shims.min.css";
