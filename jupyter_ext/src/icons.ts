/** Our icon: three headwaters that join, and leave as one river. */

import { LabIcon } from "@jupyterlab/ui-components";

const RIVER = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <g fill="none" stroke-linecap="round" stroke-linejoin="round">
    <path class="jp-icon3 jp-icon-selectable" stroke="#616161" stroke-width="2"
      d="M5 4.5c0 4 1.4 5.6 3.6 7.2 2.3 1.7 3.4 3 3.4 6.3v2"/>
    <path class="jp-icon3 jp-icon-selectable" stroke="#616161" stroke-width="2"
      d="M19 4.5c0 4.6-1.6 6.4-3.8 8-1.9 1.4-3.2 2.8-3.2 5.5"/>
    <path class="jp-icon3 jp-icon-selectable" stroke="#616161" stroke-width="2" d="M12 4.5c0 3-.9 5.4-2.4 7.7"/>
  </g>
  <g class="jp-icon3 jp-icon-selectable" fill="#616161">
    <circle cx="5" cy="4" r="1.9"/><circle cx="12" cy="4" r="1.9"/><circle cx="19" cy="4" r="1.9"/>
    <circle cx="12" cy="20.6" r="1.9"/>
  </g>
</svg>`;

export const riverIcon = new LabIcon({ name: "dmod:river", svgstr: RIVER });
