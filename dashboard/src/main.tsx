// Where the page starts.
import { render } from "preact";
import { startLive } from "./api/live.ts";
import { signedOut } from "./api/query.ts";
import { loadMe, lookAgain, noteOut } from "./api/session.ts";
import { App, fetchFirst } from "./app.tsx";
import { listenToKeys } from "./keys.ts";
import { followLinks } from "./router.ts";
import { drawPrintable } from "./shown.ts";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/strip.css";
import "./styles/frame.css";
import "./styles/controls.css";
import "./styles/tones.css";
import "./styles/layout.css";
import "./styles/states.css";
import "./styles/overlays.css";
import "./styles/values.css";
import "./styles/grid.css";
import "./styles/charts.css";
import "./styles/forms.css";

drawPrintable();
followLinks();
listenToKeys();
signedOut.subscribe((times) => {
  if (times > 0) noteOut();
});
document.addEventListener("visibilitychange", () => document.hidden || lookAgain());
/** How long the first drawing waits to learn who asks: the page is then drawn once, and asks what he may see. */
const PATIENCE_MS = 300;

const known = Promise.race([loadMe(), new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
startLive();
void Promise.all([fetchFirst(), known]).then(() => render(<App />, document.getElementById("app")!));
