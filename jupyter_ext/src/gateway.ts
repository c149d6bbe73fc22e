/** The gateway of the Jupyter server that this page came from: base URL, token and XSRF are JupyterLab's. */

import { URLExt } from "@jupyterlab/coreutils";
import { ServerConnection } from "@jupyterlab/services";

import { Fetch } from "./model/client";
import { Socket, Surroundings } from "./model/stream";

const API = "dmod/api";

/** Requests below `dmod/api/`. */
export function fetchFrom(settings: ServerConnection.ISettings): Fetch {
  return (path, method, body) =>
    ServerConnection.makeRequest(
      `${URLExt.join(settings.baseUrl, API)}/${path}`,
      { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) },
      settings
    );
}

/** What opens the stream, and says why it cannot be opened. */
export function surroundingsOf(settings: ServerConnection.ISettings): Surroundings {
  const fetch = fetchFrom(settings);
  return {
    open: cursor => {
      const asked = new URLSearchParams();
      if (cursor !== null) {
        asked.set("cursor", String(cursor));
      }
      if (settings.appendToken && settings.token) {
        asked.set("token", settings.token);
      }
      const query = asked.toString();
      return new settings.WebSocket(`${URLExt.join(settings.wsUrl, API, "stream")}${query && `?${query}`}`) as Socket;
    },
    ask: () =>
      fetch("status", "GET").then(
        answer => answer.status,
        () => 0
      ),
    later: (act, delay_ms) => {
      const timer = window.setTimeout(act, delay_ms);
      return () => window.clearTimeout(timer);
    },
    now: () => Date.now()
  };
}
