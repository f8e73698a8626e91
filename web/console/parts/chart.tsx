import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { formatTime } from "../client/format.js";

export interface Series {
  readonly label: string;
  /** A custom property of the style sheet. */
  readonly color: string;
  readonly values: readonly number[];
}

interface ChartProps {
  readonly title: string;
  /** Milliseconds since 1970. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
  readonly format: (value: number) => string;
  /** What the axis reaches at least. */
  readonly max: number;
  /** Whether values are bytes, whose round numbers are powers of two. */
  readonly isBytes?: boolean;
}

const HEIGHT = 150;
const POWERS_OF_TWO = Array.from({ length: 50 }, (_, power) => 2 ** power);

/** Readings over time. */
export function Chart({ title, times, series, format, max, isBytes = false }: ChartProps) {
  const element = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const labels = series.map(({ label }) => label).join();

  // New readings do not make a new chart.
  useEffect(() => {
    const frame = element.current!;
    const draw = (): void => {
      plot.current?.destroy();
      const options = optionsOf({ title, times, series, format, max, isBytes }, frame.clientWidth);
      plot.current = new uPlot(options, dataOf(times, series), frame);
    };
    draw();
    const observer = new ResizeObserver(() => plot.current?.setSize({ width: frame.clientWidth, height: HEIGHT }));
    observer.observe(frame);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", draw);
    return () => {
      observer.disconnect();
      dark.removeEventListener("change", draw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [labels, max]);

  useEffect(() => {
    plot.current?.setData(dataOf(times, series));
  }, [times, series]);

  return (
    <figure class="chart">
      <figcaption>{title}</figcaption>
      <div ref={element} />
    </figure>
  );
}

function dataOf(times: readonly number[], series: readonly Series[]): uPlot.AlignedData {
  return [times.map((time) => time / 1000), ...series.map(({ values }) => [...values])];
}

function optionsOf({ series, format, max, isBytes = false }: ChartProps, width: number): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const color = (property: string): string => style.getPropertyValue(property).trim();
  const axis = { stroke: color("--quiet"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false } };
  return {
    width,
    height: HEIGHT,
    cursor: { y: false, drag: { x: false, y: false } },
    // The last label of the times is written half beyond the axis.
    padding: [null, 34, null, null],
    legend: { live: true },
    scales: { y: { range: (_, __, highest) => [0, Math.max(max, highest ?? 0)] } },
    axes: [
      {
        ...axis,
        size: 32,
        space: 90,
        values: (_, splits) => {
          const isShort = (splits[1] ?? 0) - (splits[0] ?? 0) < 60;
          const parts = {
            hour: "2-digit",
            minute: "2-digit",
            ...(isShort ? { second: "2-digit" as const } : {}),
          } as const;
          return splits.map((time) => new Date(time * 1000).toLocaleTimeString([], parts));
        },
      },
      {
        ...axis,
        ...(isBytes ? { incrs: POWERS_OF_TWO } : {}),
        size: 72,
        space: 30,
        values: (_, splits) => splits.map(format),
      },
    ],
    series: [
      { value: legendValue((time) => formatTime(time * 1000)) },
      ...series.map(({ label, color: property }) => ({
        label,
        stroke: color(property),
        fill: `color-mix(in srgb, ${color(property)} 12%, transparent)`,
        width: 1.5,
        points: { show: false },
        value: legendValue(format),
      })),
    ],
  };
}

/** What the legend says of a line: its value where the cursor is, or else the newest. */
function legendValue(format: (value: number) => string): uPlot.Series.Value {
  return (plot, _, index, at) => {
    const values = plot.data[index]!;
    const value = values[at ?? values.length - 1];
    return value === null || value === undefined ? "" : format(value);
  };
}
