/** Whether anybody looks: nothing is asked of the server while the page, or all that we show, is hidden. */

import { Widget } from "@lumino/widgets";

const GRACE_MS = 3_000;

export class Attention {
  private readonly _shown = new Set<Widget>();
  private _timer = 0;

  /** @param act - Called with whether somebody looks, when that changes and when it may have. */
  constructor(private readonly act: (looks: boolean) => void) {
    document.addEventListener("visibilitychange", () => this.consider());
  }

  /** Say that a widget is shown, or is not any more. */
  mark(widget: Widget, shown: boolean): void {
    if (shown) {
      this._shown.add(widget);
    } else {
      this._shown.delete(widget);
    }
    this.consider();
  }

  private consider(): void {
    window.clearTimeout(this._timer);
    if (this._shown.size > 0 && document.visibilityState === "visible") {
      this.act(true);
    } else {
      this._timer = window.setTimeout(() => this.act(false), GRACE_MS);
    }
  }
}
