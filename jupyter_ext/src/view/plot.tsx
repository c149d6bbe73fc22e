/** A series over time. The library that draws it is loaded when the first one is shown. */

import * as React from "react";
import type uPlot from "uplot";

import { Place } from "./place";

/** A line, or a band between two. */
export interface Curve {
  label: string;
  low: (number | null)[];
  high?: (number | null)[];
}

const HEIGHT_PX = 260;
const DAY = "{D} {MMM}";
const DATE = "\n{D} {MMM} {YYYY}";
/** How instants are written below the axis: for each distance between them, and where a larger unit begins. */
const STAMPS: (number | string | null)[][] = [
  [31536000, "{YYYY}", null, null, null, null, null, null, 1],
  [2419200, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [86400, DAY, "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", DATE, null, `\n${DAY}`, null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", DATE, null, `\n${DAY}`, null, null, null, 1],
  [0.001, ":{ss}.{fff}", `${DATE} {HH}:{mm}`, null, `\n${DAY} {HH}:{mm}`, null, "\n{HH}:{mm}", null, 1]
];

export function Plot(props: {
  place: Place;
  time: number[];
  curve: Curve;
  units: string;
  label: string;
  height?: number;
  /** Whether a value holds until the next one. */
  stepped?: boolean;
  /** Called with what was dragged over, and with null for all of it. */
  zoom?: (span: [number, number] | null) => void;
}): JSX.Element {
  const { place, time, curve, units, label, height = HEIGHT_PX, stepped = false, zoom } = props;
  const box = React.useRef<HTMLDivElement>(null);
  const [painted, setPainted] = React.useState(0);
  React.useEffect(() => {
    const again = () => requestAnimationFrame(() => setPainted(times => times + 1));
    place.repainted?.connect(again);
    return () => {
      place.repainted?.disconnect(again);
    };
  }, [place]);
  React.useEffect(() => {
    const node = box.current!;
    let plot: uPlot | null = null;
    let wanted = true;
    const observer = new ResizeObserver(() => plot?.setSize({ width: node.clientWidth, height }));
    void import("uplot").then(loaded => {
      if (wanted) {
        const Plotter = loaded.default;
        const options = optionsOf(Plotter, node, curve, units, { height, stepped, zoom });
        const values = curve.high ? [time, curve.low, curve.high] : [time, curve.low];
        plot = new Plotter(options, values as uPlot.AlignedData, node);
        observer.observe(node);
      }
    });
    return () => {
      wanted = false;
      observer.disconnect();
      plot?.destroy();
    };
  }, [time, curve, units, height, painted]);
  return <div ref={box} className="dmod-Plot" role="img" aria-label={label} style={{ minHeight: height }} />;
}

function optionsOf(
  Plotter: typeof uPlot,
  node: HTMLElement,
  curve: Curve,
  units: string,
  look: { height: number; stepped: boolean; zoom?: (span: [number, number] | null) => void }
): uPlot.Options {
  const style = getComputedStyle(node);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour("--jp-ui-font-color1"),
    grid: { stroke: colour("--jp-border-color2"), width: 0.5 },
    ticks: { stroke: colour("--jp-border-color2"), width: 1 },
    font: `11px ${style.fontFamily}`
  };
  const line = colour("--jp-brand-color1");
  const value = (_: unknown, number: number | null) => (number === null ? "–" : `${Number(number.toPrecision(4))} ${units}`);
  const paths = look.stepped ? Plotter.paths.stepped!({ align: 1 }) : undefined;
  const shape = { stroke: line, width: 1.25, points: { show: false }, value, paths };
  const banded = curve.high !== undefined;
  return {
    width: Math.max(node.clientWidth, 100),
    height: look.height,
    tzDate: at_s => Plotter.tzDate(new Date(at_s * 1000), "Etc/UTC"),
    cursor: {
      y: false,
      drag: { x: look.zoom !== undefined, y: false, setScale: false },
      bind: {
        dblclick: () => () => {
          look.zoom?.(null);
          return null;
        }
      }
    },
    hooks: {
      setSelect: [
        plot => {
          const { left, width } = plot.select;
          if (width > 4) {
            look.zoom?.([plot.posToVal(left, "x"), plot.posToVal(left + width, "x")]);
          }
        }
      ]
    },
    axes: [{ ...axis, values: STAMPS }, { ...axis, size: 64, label: units, labelSize: 18, labelFont: axis.font }],
    series: [
      { label: "UTC", value: (_, at_s) => (at_s === null ? "–" : new Date(at_s * 1000).toISOString().slice(0, 16).replace("T", " ")) },
      { label: banded ? "least" : curve.label, ...shape },
      ...(banded ? [{ label: "greatest", ...shape }] : [])
    ],
    bands: banded ? [{ series: [2, 1], fill: colour("--jp-brand-color3") || line }] : []
  };
}
