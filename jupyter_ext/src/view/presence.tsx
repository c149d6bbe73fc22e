/** Says how the connection stands, where it does not stand well. */

import * as React from "react";

import { Place, useNow, useSignal } from "./place";

export function Presence({ place }: { place: Place }): JSX.Element {
  const { stream } = place;
  useSignal(stream.phaseChanged);
  return (
    <div className="dmod-Presence" role="status" data-phase={stream.phase}>
      {stream.phase === "live" && stream.trouble && <span>{stream.trouble}; it is tried again.</span>}
      {stream.phase === "waiting" && <Waiting place={place} />}
      {stream.phase === "refused" && (
        <>
          <span>Your login has expired, or this server does not know you.</span>
          <button type="button" className="dmod-Link" onClick={() => window.location.reload()}>
            Sign in again
          </button>
        </>
      )}
      {stream.phase === "absent" && (
        <>
          <span>This server has no dmod: install it where the server runs, then restart the server.</span>
          <Now place={place} />
        </>
      )}
    </div>
  );
}

function Waiting({ place }: { place: Place }): JSX.Element {
  useNow(1);
  const left_s = Math.max(0, Math.ceil((place.stream.retryAt_ms - Date.now()) / 1000));
  return (
    <>
      <span aria-live="off">{left_s > 0 ? `The server does not answer; trying again in ${left_s} s.` : "Trying again …"}</span>
      <Now place={place} />
    </>
  );
}

function Now({ place }: { place: Place }): JSX.Element {
  return (
    <button type="button" className="dmod-Link" onClick={() => place.stream.hurry()}>
      Try now
    </button>
  );
}
